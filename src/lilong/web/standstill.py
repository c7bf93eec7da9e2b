"""Whether anything else has the hub's database open: how a hub that runs, of whichever version, is known."""

import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import connection

from lilong.common.errors import Conflict


class HubRuns(Conflict):
    """Something else has the hub's database open."""

    code = "upgrade.hub_runs"
    title = "The hub runs"
    next_step = (
        "Stop it: Ctrl-C where `lilong serve` runs, or `systemctl stop lilong-web lilong-worker` on each of its "
        "machines. Jobs that run go on. Then run `lilong upgrade` again."
    )


def require_standstill() -> None:
    """Raise HubRuns while another connection to the hub's database is open, on any machine."""
    if connection.vendor == "sqlite":
        _require_alone(Path(connection.settings_dict["NAME"]))
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, COALESCE(host(client_addr), 'this machine') FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        found = [f"{pid} from {address}" for pid, address in cursor.fetchall()]
    if found:
        raise HubRuns(detail=f"The database has {len(found)} other sessions, as {', '.join(found[:3])}.")


def _require_alone(database: Path) -> None:
    """In exclusive mode SQLite opens a database only when nobody else, idle or not, has it open."""
    connection.close()
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=0)) as probe:
        probe.isolation_level = None
        probe.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise HubRuns(detail=f"Another process has {database} open.") from error
        probe.execute("ROLLBACK")
