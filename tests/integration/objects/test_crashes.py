import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import count

import pytest

from lilong.foundation.objects.models import Reference, StorageUse, StoredObject
from lilong.foundation.objects.public import find_many
from lilong.foundation.objects.queries import get_storage_use
from lilong.foundation.objects.reactions import reconcile
from lilong.foundation.objects.storage import SHARDS
from tests.bytes import NOW, digest, fresh, read, upload
from tests.running_web import database_url

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
STEPS_AT_LEAST = 30


@pytest.fixture
def kill(folder):
    """Return a function that acts in another process until its n-th step, and says whether it got to its end."""
    environment = os.environ | {
        "LILONG_HOME": str(folder.parent),
        "LILONG_DATABASE_URL": database_url(),
        "LILONG_STORAGE_RESERVE_BYTES": "0",
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


def sweep_all(folder, *, now):
    for path in list_files(folder):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    for shard in range(SHARDS):
        reconcile(now=now + shard * MINUTE)


def list_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("others_have_it", [False, True])
def test_an_upload_killed_at_any_step_goes_on_and_loses_nothing_that_was_promised(kill, folder, others_have_it):
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
        upload(content, organisation_id=organisation_id)
        assert read(digest(content), organisation_id=organisation_id) == content
        assert StorageUse.objects.get(organisation_id=organisation_id).used_bytes == len(content)
        if done:
            break

    assert steps > STEPS_AT_LEAST
    sweep_all(folder, now=NOW + timedelta(hours=2))
    assert {path.name for path in list_files(folder)} == {stored.key for stored in StoredObject.objects.all()}
    assert Reference.objects.count() == (steps + 1) * (2 if others_have_it else 1)


def test_a_deletion_killed_at_any_step_is_finished_by_the_next_reconcile(kill, folder):
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
    sweep_all(folder, now=later)
    held = set(Reference.objects.values_list("stored_id", flat=True))
    assert {path.name[:64] for path in list_files(folder)} == held
    assert set(StoredObject.objects.values_list("sha256", flat=True)) == held
