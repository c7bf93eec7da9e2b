import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests.polling import wait_until
from tests.postgresql import running_cluster

HOLD_A_CLUSTER = """
import sys
from tests.postgresql import running_cluster

with running_cluster() as cluster:
    print(cluster.server_url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.django_db
def test_tests_run_on_the_database_that_was_asked_for():
    assert connection.vendor == os.environ.get("LILONG_TEST_DATABASE", "sqlite")


@pytest.mark.sqlite
@pytest.mark.django_db
def test_the_test_database_of_sqlite_is_a_file_with_a_write_ahead_log():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)


def is_there(server_url: str) -> bool:
    try:
        psycopg.connect(f"{server_url}/postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.postgresql
def test_a_cluster_goes_when_it_is_no_longer_needed():
    with running_cluster() as cluster:
        assert is_there(cluster.server_url)
        with psycopg.connect(f"{cluster.server_url}/postgres") as session:
            folder = session.execute("SHOW data_directory").fetchone()

    assert folder
    assert not is_there(cluster.server_url)
    assert not Path(folder[0]).exists()


@pytest.mark.postgresql
def test_a_cluster_goes_when_its_run_is_killed():
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", HOLD_A_CLUSTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as holder:
        assert holder.stdout
        server_url = holder.stdout.readline().strip()
        assert is_there(server_url)
        holder.kill()

    wait_until(lambda: not is_there(server_url), within_s=20)
