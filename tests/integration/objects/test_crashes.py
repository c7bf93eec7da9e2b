import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from functools import partial
from itertools import count

import pytest

from lilong.common.time import utc_now
from lilong.foundation.objects.models import Reference, StorageUse, StoredObject
from lilong.foundation.objects.public import find_many
from lilong.foundation.objects.queries import get_storage_use
from lilong.foundation.objects.reactions import reconcile
from lilong.foundation.objects.storage import SHARDS, UploadBusy
from tests.bytes import NOW, digest, fresh, read, upload
from tests.polling import wait_until
from tests.running_web import database_url
from tests.s3 import CREDENTIALS, running_store

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
STEPS_AT_LEAST = 30


@pytest.fixture(scope="module")
def store():
    with running_store() as running:
        yield running


@pytest.fixture(params=["folder", "bucket"])
def place(request, folder, set_hub, monkeypatch):
    """Return what the environment says about where objects lie; this process keeps them there, too."""
    if request.param == "folder":
        return {}
    # A store tells the age of things by its own clock, months after NOW.
    set_hub(object_retention_days=3650)
    store, prefix = request.getfixturevalue("store"), folder.parent.name
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    set_hub(**store.settings(prefix=prefix))
    return store.environment(prefix=prefix)


@pytest.fixture
def kill(folder, place):
    """Return a function that acts in another process until its n-th step, and says whether it got to its end."""
    environment = os.environ | {
        "LILONG_HOME": str(folder.parent),
        "LILONG_DATABASE_URL": database_url(),
        "LILONG_STORAGE_RESERVE_BYTES": "0",
        **place,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.objects.killed"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    orders, answers = process.stdin, process.stdout
    assert orders
    assert answers

    def act(**order):
        orders.write(json.dumps(order) + "\n")
        orders.flush()
        code = int(answers.readline())
        assert code in {0, -signal.SIGKILL}
        return code == 0

    with process:
        yield act
        orders.close()


@pytest.fixture
def sweep(request, folder, place):
    """Return a function that sweeps all shards and tells what then lies in the storage."""

    def sweep_all(*, now):
        def list_names():
            if not place:
                return {path.name for path in folder.rglob("*") if path.is_file()}
            names = request.getfixturevalue("store").list_names(prefix=folder.parent.name)
            return {name.rpartition("/")[2] for name in names}

        for path in folder.rglob("*"):
            os.utime(path, (NOW.timestamp(), NOW.timestamp()))
        filled = {name[:2] for name in list_names()}
        for moment in (now + minutes * MINUTE for minutes in range(SHARDS)):
            if f"{int(moment.timestamp()) // 60 % SHARDS:02x}" in filled:
                reconcile(now=moment)
        return list_names()

    return sweep_all


def try_upload(content, organisation_id):
    """Bring content in; say whether it went. PostgreSQL takes a moment to see that a killed session is gone."""
    try:
        upload(content, organisation_id=organisation_id)
    except UploadBusy:
        return False
    return True


def now_of(place):
    """Return the moment by which the storage tells the age of what was placed."""
    return utc_now() if place else NOW


@pytest.mark.parametrize(
    ("place", "others_have_it"), [("folder", False), ("folder", True), ("bucket", True)], indirect=["place"]
)
def test_an_upload_killed_at_any_step_goes_on_and_loses_nothing_that_was_promised(kill, sweep, place, others_have_it):
    for steps in count():
        content, organisation_id = fresh(3000), f"org_{steps}"
        if others_have_it:
            upload(content, organisation_id="org_other")
        done = kill(
            kind="upload",
            content=content.hex(),
            organisation_id=organisation_id,
            now=NOW.isoformat(),
            steps=steps,
        )
        assert not done or digest(content) in find_many(organisation_id=organisation_id, sha256s=[digest(content)])
        wait_until(partial(try_upload, content, organisation_id), within_s=30)
        assert read(digest(content), organisation_id=organisation_id) == content
        assert StorageUse.objects.get(organisation_id=organisation_id).used_bytes == len(content)
        if done:
            break

    assert steps > STEPS_AT_LEAST
    assert sweep(now=now_of(place) + timedelta(hours=2)) == {stored.key for stored in StoredObject.objects.all()}
    assert Reference.objects.count() == (steps + 1) * (2 if others_have_it else 1)


def test_a_deletion_killed_at_any_step_is_finished_by_the_next_reconcile(kill, sweep, place):
    later = NOW + 2 * DAY
    for steps in count():
        organisation_id = f"org_{steps}"
        sha256 = upload(fresh(10), organisation_id=organisation_id)
        done = kill(
            kind="delete",
            content="",
            sha256=sha256,
            organisation_id=organisation_id,
            now=NOW.isoformat(),
            later=later.isoformat(),
            steps=steps,
        )
        if Reference.objects.filter(organisation_id=organisation_id).exists():
            assert read(sha256, organisation_id=organisation_id)
        else:
            assert get_storage_use(organisation_id=organisation_id).used_bytes == 0
        if done:
            break

    assert steps > STEPS_AT_LEAST // 3
    left = sweep(now=now_of(place) + 2 * DAY)
    held = set(Reference.objects.values_list("stored_id", flat=True))
    assert {name[:64] for name in left} == held
    assert set(StoredObject.objects.values_list("sha256", flat=True)) == held
