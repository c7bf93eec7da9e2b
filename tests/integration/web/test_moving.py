"""A backup is the same whatever the hub lies on: rows on SQLite or PostgreSQL, bytes in a folder or in a bucket."""

import json
import tarfile
from itertools import count
from urllib.parse import urlsplit

import pytest

from tests.homes import Hub, making_databases
from tests.integration.web.test_backup import FOUND, LOOK
from tests.s3 import BUCKET, connect, running_store

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]
numbers = count()
VERIFY = """
import json
from lilong.web.copying import list_models
from django.db import connection
print(json.dumps({
    "rows": {model._meta.db_table: model._base_manager.count() for model in list_models()},
    "vendor": connection.vendor,
}))
"""


@pytest.fixture(scope="module")
def store():
    with running_store() as running:
        yield running


@pytest.fixture
def new_database():
    """Return a function that makes an empty database on the server of this run and returns its URL."""
    with making_databases() as make:
        yield make


@pytest.fixture
def place_on(tmp_path, store, new_database):
    """Return a function that gives an empty place for a hub: "large" is PostgreSQL and a bucket, "small" neither."""

    def make(size):
        home = tmp_path / f"home-{next(numbers)}"
        if size == "small":
            return Hub(home)
        prefix = f"{tmp_path.name}-{next(numbers)}"
        return Hub(home, LILONG_DATABASE_URL=new_database(), **store.environment(prefix=prefix))

    return make


@pytest.mark.parametrize(("old", "new"), [("large", "large"), ("small", "large"), ("large", "small")])
def test_a_hub_moves_by_its_backup_and_nothing_is_lost(place_on, tmp_path, old, new):
    source, target, archive = place_on(old), place_on(new), tmp_path / "backup.tar"
    source.manage("init")
    found = source.script(FOUND)
    before = source.script(VERIFY)
    written = source.manage("backup", archive)
    restored = target.manage("restore", archive)
    seen, after = target.script(LOOK, json.dumps(found)), target.script(VERIFY)

    assert (written["objects_missing"], restored["objects_missing"]) == (0, 0)
    assert (seen["secrets"], seen["bytes"], seen["problems"]) == ({"KEY": "s3cret"}, 3_000_000, [])
    assert seen["restoring"] is True
    assert seen["logs"] == [[1, False], [2, True]]
    assert after["vendor"] == ("postgresql" if new == "large" else "sqlite")
    grown = {"record_log", "record_entry", "record_leaf", "record_payload", "record_head", "record_node"}
    same = {name: rows for name, rows in before["rows"].items() if name not in grown}
    assert same.items() <= after["rows"].items()
    assert not list(target.home.glob("hub.sqlite3.restored*"))
    assert (target.home / "objects").exists() is (new == "small")
    target.manage("init")  # ids go on behind those that were copied


def test_a_database_that_holds_a_hub_is_not_restored_over(place_on, tmp_path):
    source, archive = place_on("large"), tmp_path / "backup.tar"
    source.manage("init")
    source.manage("backup", archive)
    refused = source.manage("restore", archive, code=1)

    assert refused["code"] == "backup.database_in_use"
    assert not list(source.home.glob("hub.sqlite3*"))


def test_a_restore_that_ends_before_its_last_step_is_done_again(place_on, tmp_path):
    source, target, archive = place_on("large"), place_on("large"), tmp_path / "backup.tar"
    source.manage("init")
    found = source.script(FOUND)
    source.manage("backup", archive)
    target.script(
        "from django.core.management import call_command\n"
        "call_command('migrate', interactive=False, verbosity=0)\nprint('{}')"
    )
    (target.home / "hub.sqlite3.restored").write_bytes(b"half of one")
    target.manage("restore", archive)

    assert target.script(LOOK, json.dumps(found))["bytes"] == 3_000_000


def test_objects_that_the_bucket_has_lost_are_counted_and_the_backup_is_written_all_the_same(place_on, store, tmp_path):
    source, target, archive = place_on("large"), place_on("small"), tmp_path / "backup.tar"
    source.manage("init")
    found = source.script(FOUND)
    prefix = urlsplit(source.environment["LILONG_OBJECTS_URL"]).path.strip("/")
    for name in store.list_names(prefix=prefix):
        connect(store.url).delete_object(Bucket=BUCKET, Key=name)
    written = source.manage("backup", archive)
    restored = target.manage("restore", archive)

    assert (written["objects_missing"], restored["objects_missing"]) == (1, 1)
    assert found["object"] not in " ".join(list_members(archive))


def test_a_backup_without_objects_finds_them_in_their_bucket_again(place_on, store, new_database, tmp_path):
    source, archive = place_on("large"), tmp_path / "backup.tar"
    source.manage("init")
    found = source.script(FOUND)
    source.manage("backup", archive, "--without-objects")
    target = Hub(
        tmp_path / "another",
        **source.environment | {"LILONG_HOME": str(tmp_path / "another"), "LILONG_DATABASE_URL": new_database()},
    )
    restored = target.manage("restore", archive)

    assert not [name for name in list_members(archive) if name.startswith("objects/")]
    assert restored["objects_missing"] == 0
    assert target.script(LOOK, json.dumps(found))["bytes"] == 3_000_000


def test_a_store_that_does_not_answer_ends_a_backup_and_leaves_no_archive(place_on, tmp_path):
    source, archive = place_on("large"), tmp_path / "backup.tar"
    source.manage("init")
    source.script(FOUND)
    source.environment["LILONG_OBJECTS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    refused = source.manage("backup", archive, code=1)

    assert refused["code"] == "objects.storage_unreachable"
    assert not list(tmp_path.glob("*backup.tar*"))


def list_members(archive):
    with tarfile.open(archive) as tar:
        return tar.getnames()
