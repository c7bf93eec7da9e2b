"""Homes of earlier versions: refused by what would run on them, backed up as they are, brought up to this version."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from tests.homes import Hub, making_databases
from tests.integration.cli.commands import lilong

pytestmark = pytest.mark.django_db

# A home of the time when organisations had no standings, with one organisation in it.
EARLIER = """
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from lilong.common.time import utc_now
from lilong.web.management.commands.init import Fernet, read_or_make_key, settings
call_command("migrate", "members", "0002", interactive=False, verbosity=0)
loader = MigrationExecutor(connection).loader
organisations = loader.project_state(list(loader.applied_migrations)).apps.get_model("members", "Organisation")
with transaction.atomic():
    organisations.objects.create(id="org_1", name="Ada AI", kind="resident", state="admitted", created_at=utc_now())
read_or_make_key(path=settings.LILONG.home / "keys" / "secrets.key", make=Fernet.generate_key)
print("{}")
"""
SEEN = """
import json
from django.db import connection
from lilong.common.django.tables import read_table_steps
with connection.cursor() as cursor:
    cursor.execute("SELECT name FROM members_organisation WHERE id = 'org_1'")
    [[name]] = cursor.fetchall()
    standings = 0
    if "members_organisationstanding" in connection.introspection.table_names():
        cursor.execute("SELECT count(*) FROM members_organisationstanding WHERE organisation_id = 'org_1'")
        [[standings]] = cursor.fetchall()
print(json.dumps({"name": name, "standings": standings, "missing": len(read_table_steps().missing)}))
"""
MIGRATE_UNTIL_KILLED = """
import os, signal, sys
from django.core.management import call_command
from django.db import connection
left = int(sys.argv[1])
def count(execute, *arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(*arguments)
with connection.execute_wrapper(count):
    call_command("upgrade", "migrate")
"""
LATER = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
MigrationRecorder(connection).record_applied("members", "9999_of_a_later_version")
print("{}")
"""


OPEN = """
import sys
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM django_migrations")
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def placing(folder: Path) -> Iterator[Hub]:
    """Hand out an empty place for a hub on the kind of database that this run is about."""
    if connection.vendor == "sqlite":
        yield Hub(folder)
        return
    with making_databases() as make:
        yield Hub(folder, LILONG_DATABASE_URL=make())


@pytest.fixture
def place(tmp_path):
    with placing(tmp_path / "一 hub") as hub:
        yield hub


@pytest.fixture
def earlier(place):
    place.script(EARLIER)
    return place


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """An earlier home that nothing may change."""
    with placing(tmp_path_factory.mktemp("earlier") / "hub") as hub:
        hub.script(EARLIER)
        yield hub
        assert hub.script(SEEN)["standings"] == 0
        assert not (hub.home / "backups").exists()


def run(hub, *arguments):
    return lilong(*arguments, "--home", hub.home, env=hub.environment)


def refused(hub, *arguments):
    done = run(hub, *arguments)
    return done.returncode, " ".join(done.stderr.split())


def test_an_earlier_home_is_upgraded_after_a_backup_which_brings_it_back(earlier, tmp_path):
    folder = earlier.home / "backups"
    folder.mkdir()
    (folder / ".upgrade-2026.tar.4711").write_bytes(b"left by one that was killed")
    before = earlier.script(SEEN)
    done = run(earlier, "upgrade")
    after = earlier.script(SEEN)
    [archive] = folder.iterdir()
    restored = Hub(tmp_path / "restored")
    restored.manage("restore", archive)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (before["standings"], before["missing"] > 40) == (0, True)
    assert after == {"name": "Ada AI", "standings": 1, "missing": 0}
    assert re.search(rf"needs {before['missing']} steps that this hub lacks, in .*ledger", done.stderr)
    assert f"is in {archive}" in done.stderr
    assert f"{before['missing']} steps were made" in done.stderr
    assert "fine books: " in done.stdout
    assert "fine record: " in done.stdout
    assert f"lilong serve --home {earlier.home}" in done.stderr
    assert archive.stat().st_mode & 0o077 == 0
    assert restored.script(SEEN) == after


def test_killed_at_any_statement_it_goes_on_with_the_steps_that_are_left_and_says_that_it_took_no_backup(earlier):
    missing = [earlier.script(SEEN)["missing"]]
    for statements in (3, 40, 160):
        killed = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{MIGRATE_UNTIL_KILLED}", str(statements)],
            env=earlier.environment,
            capture_output=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    missing.append(earlier.script(SEEN)["missing"])
    done = run(earlier, "upgrade", "--without-backup")
    again = json.loads(run(earlier, "upgrade", "--json").stdout)

    assert missing[0] > missing[1] > 0
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No backup is taken, as you said." in done.stderr
    assert f"{missing[1]} steps were made" in done.stderr
    assert (again["made"], again["backup"], again["ok"]) == ([], None, True)
    assert {"books", "record", "database"} <= {finding["name"] for finding in again["findings"]}
    assert earlier.script(SEEN) == {"name": "Ada AI", "standings": 1, "missing": 0}


@pytest.mark.parametrize("command", ["serve", "worker", "init"])
def test_nothing_starts_on_an_earlier_home_and_each_names_the_upgrade(untouched, command):
    code, said = refused(untouched, command)

    assert (code, "hub.tables_older" in said, "lilong upgrade" in said) == (6, True, True), said


@pytest.mark.parametrize(
    "program", [("-m", "lilong.web.worker"), ("-m", "gunicorn", "-c", "python:lilong.web.gunicorn")]
)
def test_the_hubs_own_processes_end_on_an_earlier_home_with_a_log_line_that_names_the_upgrade(untouched, program):
    environment = untouched.environment | {"LILONG_BIND": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, *program], env=environment, capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 4, done.stderr
    [line] = [json.loads(line) for line in done.stderr.splitlines() if "start_refused" in line]
    assert line["code"] == "hub.tables_older"
    assert "lilong upgrade" in line["next_step"]


def test_while_anything_has_the_database_open_nothing_is_touched(untouched):
    command = [sys.executable, "-c", f"import django; django.setup()\n{OPEN}"]
    with subprocess.Popen(
        command, env=untouched.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        code, said = refused(untouched, "upgrade")
        other.communicate()

    assert (code, "upgrade.hub_runs" in said) == (6, True), said
    assert "lilong serve" in said
    assert "systemctl stop lilong-web lilong-worker" in said


def test_a_backup_and_none_are_not_both_wanted(untouched, tmp_path):
    code, said = refused(untouched, "upgrade", "--without-backup", "--backup", tmp_path / "b.tar")

    assert (code, "upgrade.backup_undecided" in said) == (3, True), said


def test_a_home_of_a_later_version_is_refused_and_left_as_it_is(place, tmp_path):
    place.manage("init")
    place.script(LATER)
    for command in (["upgrade"], ["web"], ["backup", tmp_path / "backup.tar"]):
        code, said = refused(place, *command)
        assert (code, "hub.tables_newer" in said, "last upgraded with" in said) == (6, True, True), said
    assert not (place.home / "backups").exists()
    assert not list(tmp_path.glob("*backup.tar"))

    if connection.vendor == "sqlite":  # what a restore has unpacked is a SQLite file in any case
        (place.home / "hub.sqlite3").rename(place.home / "hub.sqlite3.restored")
        assert place.manage("finish_restore", code=1)["code"] == "hub.tables_newer"
