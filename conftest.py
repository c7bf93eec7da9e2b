"""Choose the database of a test run before Django reads its settings: LILONG_TEST_DATABASE=sqlite|postgresql.

With LILONG_TEST_POSTGRESQL (a server's URL without a database name) that server is used instead of one of its own.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.postgresql import Cluster, PostgresqlMissing, running_cluster

KINDS = ("sqlite", "postgresql")
# Machines of a test run are shared, so no example has a deadline; CI draws the same examples every time.
hypothesis.settings.register_profile("lilong", deadline=None, derandomize=os.environ.get("CI") == "true")
hypothesis.settings.load_profile("lilong")

whole_run = pytest.StashKey[ExitStack]()
missing = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    kind = os.environ.get("LILONG_TEST_DATABASE", "sqlite")
    if kind not in KINDS:
        raise pytest.UsageError(f"LILONG_TEST_DATABASE={kind}: must be one of {', '.join(KINDS)}")
    stack = config.stash[whole_run] = ExitStack()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lilong-tests-")))
    os.environ["LILONG_HOME"] = str(folder)
    os.environ["LILONG_DATABASE_URL"] = f"sqlite:///{folder}/hub.sqlite3"
    if kind == "postgresql":
        try:
            os.environ["LILONG_DATABASE_URL"] = _postgresql_url(stack)
        except PostgresqlMissing as problem:
            if os.environ.get("CI") == "true":
                raise pytest.UsageError(str(problem)) from problem
            config.stash[missing] = str(problem)
    os.environ.setdefault("LILONG_LOG_LEVEL", "warning")
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    from django.conf import settings  # noqa: PLC0415 - only now does the environment say which database

    assert settings.DATABASES  # loads them, so that pytest-django sets Django up


def _postgresql_url(stack: ExitStack) -> str:
    server_url = os.environ.get("LILONG_TEST_POSTGRESQL")
    cluster = Cluster(server_url=server_url) if server_url else stack.enter_context(running_cluster())
    return cluster.database_url(name=f"lilong_{os.getpid()}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if whole_run in config.stash:
        config.stash[whole_run].close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    problem = config.stash.get(missing, None)
    other_kinds = [kind for kind in KINDS if kind != os.environ.get("LILONG_TEST_DATABASE", "sqlite")]
    foreign = [item for item in items if any(item.get_closest_marker(kind) for kind in other_kinds)]
    if foreign:
        config.hook.pytest_deselected(items=foreign)
        items[:] = [item for item in items if item not in foreign]
    for item in items:
        if problem:
            item.add_marker(pytest.mark.skip(reason=problem))


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Keep the test database of SQLite in a file: in memory it has no second process and no write-ahead log."""
    from django.db import connections  # noqa: PLC0415 - Django is not set up when this file is read

    default = connections["default"]
    if default.vendor == "sqlite":
        folder = Path(default.settings_dict["NAME"]).parent
        default.settings_dict["TEST"]["NAME"] = str(folder / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def empty_tables_despite_triggers() -> Iterator[None]:
    """Let Django empty the tables between tests: on SQLite it deletes rows, which append-only triggers refuse.

    All in one transaction, because each waits for the disk.
    """
    from django.db import transaction  # noqa: PLC0415 - Django is not set up when this file is read
    from django.db.backends.sqlite3 import base  # noqa: F401, PLC0415 - operations alone imports itself in a ring
    from django.db.backends.sqlite3.operations import DatabaseOperations  # noqa: PLC0415 - see above

    flush = DatabaseOperations.execute_sql_flush

    def flush_without_triggers(operations: DatabaseOperations, sql_list: Sequence[str]) -> None:
        with transaction.atomic(using=operations.connection.alias), operations.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
            flush(operations, sql_list)
            for _, statement in triggers:
                cursor.execute(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush_without_triggers)
        yield
