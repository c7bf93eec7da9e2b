import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest

from lilong.web.archive import ArchiveBroken, HomeInUse, copy_sqlite, unpack_archive, write_archive

NOW = datetime(2026, 3, 1, tzinfo=UTC)
pytestmark = pytest.mark.sqlite

FOUND = """
import json, sys
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.runs.services.pools import create_pool
from lilong.foundation.members.public import *
from lilong.foundation.members.services.vault import put_secret
from lilong.foundation.record.public import seal
from tests.bytes import upload
now = utc_now()
made = create_organisation(name="Ada AI", kind=OrganisationKind.PROVIDER, owner_email="ada@example.org",
    owner_name="Ada", state=OrganisationState.ADMITTED, now=now)
actor = authenticate(token=made.token.secret, now=now)
put_secret(actor=actor, name="KEY", value="s3cret", now=now)
create_pool(actor=actor, provider_organisation_id=actor.organisation_id, name="p", engine="local", now=now)
seal(now=now)
stored = upload(b"x" * 3_000_000, organisation_id=actor.organisation_id, now=now)
print(json.dumps({"token": made.token.secret, "object": stored}))
"""
LOOK = """
import json, sys
from lilong.common.time import utc_now
from lilong.foundation.members.public import authenticate, reveal_secrets
from lilong.foundation.record.models import Log
from lilong.foundation.record.public import is_restoring, seal, verify
from lilong.foundation.runs.models import Pool
from tests.bytes import read
found = json.loads(sys.argv[1])
actor = authenticate(token=found["token"], now=utc_now())
seal(now=utc_now())
print(json.dumps({
    "secrets": reveal_secrets(organisation_id=actor.organisation_id, names=["KEY"]),
    "bytes": len(read(found["object"], organisation_id=actor.organisation_id)),
    "restoring": is_restoring(now=utc_now()),
    "logs": list(Log.objects.order_by("number").values_list("number", "is_open")),
    "epochs": list(Pool.objects.values_list("epoch", flat=True)),
    "problems": list(verify().problems),
}))
"""


def run(home, *arguments):
    """Run a program of the hub in `home` and return what it printed last."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    finished = subprocess.run(
        [sys.executable, *arguments],
        env=environment | {"LILONG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "lilong.web.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip().rsplit("\n", 1)[-1]


def manage(home, *arguments):
    return run(home, "-m", "lilong.web.manage", *map(str, arguments))


def script(home, text, *arguments):
    return json.loads(run(home, "-c", f"import django; django.setup()\n{text}", *arguments))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    home = tmp_path_factory.mktemp("一 hub")
    manage(home, "init")
    found = script(home, FOUND)
    archive = home.parent / "backup 一.tar"
    manage(home, "backup", archive)
    return home, found, archive


def test_a_restored_hub_has_everything_and_knows_that_it_was_restored(hub, tmp_path):
    _, found, archive = hub
    manage(tmp_path, "restore", archive)
    seen = script(tmp_path, LOOK, json.dumps(found))

    assert (seen["secrets"], seen["bytes"]) == ({"KEY": "s3cret"}, 3_000_000)
    assert seen["restoring"] is True
    assert seen["logs"] == [[1, False], [2, True]]
    assert seen["epochs"][0] > 1_700_000_000
    assert seen["problems"] == []
    assert (tmp_path / "keys" / "secrets.key").stat().st_mode & 0o077 == 0


def test_a_backup_changes_nothing_and_is_readable_by_its_owner_alone(hub):
    home, found, archive = hub

    assert script(home, LOOK, json.dumps(found))["restoring"] is False
    assert archive.stat().st_mode & 0o077 == 0
    assert [path.name for path in archive.parent.glob(".backup*")] == []


def test_after_a_crash_between_unpacking_and_finishing_it_is_done_again(hub, tmp_path):
    _, found, archive = hub
    manage(tmp_path, "restore", archive)
    (tmp_path / "hub.sqlite3").rename(tmp_path / "hub.sqlite3.restored")
    manage(tmp_path, "restore", archive)

    assert script(tmp_path, LOOK, json.dumps(found))["logs"] == [[1, False], [2, True]]


def write(home, archive):
    copy = partial(copy_sqlite, home / "hub.sqlite3")
    return write_archive(home=home, copy_database=copy, list_remote=None, archive=archive, now=NOW)


@pytest.fixture
def whole(tmp_path):
    """An archive of a small made-up home."""
    home = tmp_path / "old"
    for name in ("keys", "objects/aa", "logs/att_1"):
        (home / name).mkdir(parents=True)
    (home / "keys" / "record-1.key").write_bytes(b"key")
    (home / "objects" / "aa" / "b").write_bytes(os.urandom(3_000_000))
    (home / "logs" / "att_1" / "0").write_bytes(b"line")
    with closing(sqlite3.connect(home / "hub.sqlite3")) as database:
        database.execute("CREATE TABLE t (x)")
    archive = tmp_path / "whole.tar"
    assert write(home, archive) == 4
    return archive


def test_a_whole_archive_is_unpacked_twice_with_the_same_result(whole, tmp_path):
    home = tmp_path / "new"
    for _ in range(2):
        assert unpack_archive(archive=whole, home=home) == 4

    assert (home / "objects/aa/b").read_bytes() == (tmp_path / "old/objects/aa/b").read_bytes()
    assert not (home / "hub.sqlite3").exists()


@pytest.mark.parametrize("left", [0, 1, 511, 1024, 100_000, 2_999_000])
def test_an_archive_that_was_cut_short_is_refused(whole, tmp_path, left):
    whole.write_bytes(whole.read_bytes()[:left])

    with pytest.raises(ArchiveBroken):
        unpack_archive(archive=whole, home=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_archive_with_one_changed_byte_is_refused(whole, tmp_path):
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 1
    whole.write_bytes(content)

    with pytest.raises(ArchiveBroken):
        unpack_archive(archive=whole, home=tmp_path / "new")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "keys/../../evil", "agent/agent.toml", "keys", "keys//a"])
def test_an_archive_that_reaches_out_of_the_home_is_refused(tmp_path, name):
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo(name))

    with pytest.raises(ArchiveBroken):
        unpack_archive(archive=archive, home=tmp_path / "new")
    assert not list(tmp_path.rglob("evil"))


def test_keys_of_another_hub_are_not_overwritten(whole, tmp_path):
    (tmp_path / "new" / "keys").mkdir(parents=True)
    (tmp_path / "new" / "keys" / "record-1.key").write_bytes(b"another")

    with pytest.raises(HomeInUse):
        unpack_archive(archive=whole, home=tmp_path / "new")


def test_a_hub_is_not_overwritten(whole, tmp_path):
    with pytest.raises(HomeInUse):
        unpack_archive(archive=whole, home=tmp_path / "old")
    with pytest.raises(FileExistsError):
        write(tmp_path / "old", whole)
