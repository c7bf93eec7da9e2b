"""The second half of `lilong restore`: what must be true before any process of the hub sees the restored database."""

from argparse import ArgumentParser
from collections.abc import Mapping

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from lilong.common.django.commands import HubCommand
from lilong.common.django.tables import TablesNewer, read_table_steps
from lilong.common.errors import Conflict
from lilong.common.time import utc_now
from lilong.foundation.record.reactions import begin_restore
from lilong.foundation.runs.reactions import raise_epochs
from lilong.web.archive import DATABASE, STAGED_DATABASE
from lilong.web.copying import delete_helpers


class NothingStaged(Conflict):
    """There is no unpacked database, or a hub stands in its place."""

    code = "backup.nothing_staged"
    title = "There is no unpacked backup here that waits to be finished"
    next_step = "Begin with `lilong restore ARCHIVE --home DIR`."


class Command(HubCommand):
    """Raise every agent's epoch and open another log in the unpacked database, then put it in place."""

    help = "Raise every agent's epoch and open another log in the unpacked database, then put it in place."
    requires_system_checks = ()
    needs_tables = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether another command puts the database in place."""
        parser.add_argument("--stay", action="store_true")

    def answer(self, *, stay: bool, **_: object) -> Mapping[str, object]:
        """Change the copy that lies aside; putting it in place is the last step and cannot be half done."""
        home = settings.LILONG.home
        staged = home / STAGED_DATABASE
        if not staged.exists() or (home / DATABASE).exists():
            raise NothingStaged(detail=str(staged))
        connection.close()
        connection.settings_dict["NAME"] = str(staged)
        refusal = read_table_steps().refuse()
        if isinstance(refusal, TablesNewer):
            raise refusal
        call_command("migrate", interactive=False, verbosity=0)
        pools = raise_epochs(now=utc_now())
        number = begin_restore(now=utc_now())
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        if not stay:
            staged.replace(home / DATABASE)
        delete_helpers(staged)
        return {"agents_to_report": pools, "record_log": number}
