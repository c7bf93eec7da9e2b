"""The whole database as another database: every row of every table, the same on SQLite and PostgreSQL.

So a backup is always one SQLite file, wherever the hub's rows lie, and a hub moves from one to the other by a backup.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.apps import apps
from django.apps.registry import Apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from lilong.common.errors import Conflict, InvariantBroken

COPY = "copy"
ROWS = 2000
OF_MIGRATE = ("contenttypes", "auth")
"""Applications whose rows `migrate` makes by itself."""
NOT_COPIED = {"django_migrations"}


class TableUnknown(InvariantBroken):
    """The database has a table that no part of the program knows, so that a copy would lack it."""

    code = "backup.table_unknown"
    title = "The database holds a table that is not the hub's"
    next_step = "Keep tables of your own in another database, and try again."


class DatabaseNotEmpty(Conflict):
    """There is a hub in the database."""

    code = "backup.database_in_use"
    title = "There is a hub in this database already"
    next_step = "Name an empty database in `database_url`, or drop this one and make it anew."


@contextmanager
def open_copy(path: Path) -> Iterator[str]:
    """Open a SQLite file as a second database and yield its alias; at the end it is one file without helpers."""
    connections.databases[COPY] = connections.databases[DEFAULT_DB_ALIAS] | {
        "ENGINE": "lilong.common.django.sqlite",
        "NAME": str(path),
        "OPTIONS": {},
        "CONN_HEALTH_CHECKS": False,
        "TIME_ZONE": None,
    }
    try:
        yield COPY
        with connections[COPY].cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute("PRAGMA journal_mode=DELETE")
    finally:
        connections[COPY].close()
        del connections[COPY], connections.databases[COPY]
        delete_helpers(path)


def delete_helpers(path: Path) -> None:
    """Delete what SQLite and the gate keep beside a database that nobody has open."""
    for suffix in ("-wal", "-shm", ".gate"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def copy_out(*, path: Path) -> None:
    """Write what the hub's PostgreSQL holds at one moment into a new SQLite file; others go on writing meanwhile.

    The tables of the copy are of the version that those of the database are: an upgrade is backed up before it begins.
    """
    steps = _list_last_steps(MigrationLoader(connections[DEFAULT_DB_ALIAS]))
    with open_copy(path) as copy:
        state = MigrationExecutor(connections[copy]).migrate(steps)
        with transaction.atomic(), transaction.atomic(using=copy):
            with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            copy_rows(source=DEFAULT_DB_ALIAS, target=copy, tables=list_models(state.apps))


def copy_in(*, path: Path) -> None:
    """Fill the hub's empty database from a SQLite file, in one transaction; raises DatabaseNotEmpty.

    Killed before its end it leaves an empty database with tables.
    """
    with open_copy(path) as copy:
        call_command("migrate", interactive=False, verbosity=0)
        with transaction.atomic():
            require_empty()
            copy_rows(source=copy, target=DEFAULT_DB_ALIAS, tables=list_models())


def require_empty() -> None:
    """Raise DatabaseNotEmpty when any table of the hub has a row, but for those that making the tables fills."""
    tables = set(connections[DEFAULT_DB_ALIAS].introspection.table_names())
    for model in list_models():
        if model._meta.db_table not in tables or model._meta.app_label in OF_MIGRATE:
            continue
        if model._base_manager.exists():  # noqa: SLF001 - documented; the default manager may leave rows out
            raise DatabaseNotEmpty(detail=f"Its table {model._meta.db_table} has rows.")


def copy_rows(*, source: str, target: str, tables: Sequence[type[models.Model]]) -> None:
    """Copy all rows of these tables, in the caller's transactions; raises TableUnknown when there is another."""
    known = {model._meta.db_table for model in tables} | NOT_COPIED
    unknown = set(connections[source].introspection.table_names()) - known
    if unknown:
        raise TableUnknown(detail=", ".join(sorted(unknown)))
    for model in reversed(tables):
        if model._meta.app_label in OF_MIGRATE:
            model._base_manager.using(target).all().delete()  # noqa: SLF001 - as above
    for model in tables:
        _copy_table(model, source=source, target=target)
    with connections[target].cursor() as cursor:
        for statement in connections[target].ops.sequence_reset_sql(no_style(), list(tables)):
            cursor.execute(statement)


def list_models(registry: Apps = apps) -> list[type[models.Model]]:
    """Return the models of all tables, those between two others included. registry: of an earlier version."""
    return [
        model
        for model in registry.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped
    ]


def _list_last_steps(loader: MigrationLoader) -> list[tuple[str, str]]:
    """Return the migrations that were made and that none of the same application has followed."""
    made = loader.applied_migrations or {}
    followed = {
        step
        for step in made
        for later in loader.graph.node_map[step].children
        if later.key in made and later.key[0] == step[0]
    }
    return [step for step in made if step not in followed]


def _copy_table(model: type[models.Model], *, source: str, target: str) -> None:
    for field in model._meta.local_fields:
        if isinstance(field, models.DateField):
            field.auto_now = field.auto_now_add = False  # this process copies what was, and stamps nothing
    rows = model._base_manager.using(source).order_by("pk").iterator(chunk_size=ROWS)  # noqa: SLF001 - as above
    batch: list[models.Model] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS:
            model._base_manager.using(target).bulk_create(batch)  # noqa: SLF001 - as above
            batch = []
    model._base_manager.using(target).bulk_create(batch)  # noqa: SLF001 - as above
