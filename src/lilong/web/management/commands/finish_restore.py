"""The second half of `lilong restore`: what must be true before any process of the hub sees the restored database."""

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from lilong.common.errors import LilongError
from lilong.common.time import utc_now
from lilong.foundation.record.reactions import begin_restore
from lilong.foundation.runs.reactions import raise_epochs
from lilong.web.archive import DATABASE, STAGED_DATABASE


class Command(BaseCommand):
    """Raise every agent's epoch and open another log in the unpacked database, then put it in place."""

    help = "Raise every agent's epoch and open another log in the unpacked database, then put it in place."
    requires_system_checks = ()

    def handle(self, **_: object) -> None:
        """Change the copy that lies aside; putting it in place is the last step and cannot be half done."""
        home = settings.LILONG.home
        staged = home / STAGED_DATABASE
        if not staged.exists() or (home / DATABASE).exists():
            raise CommandError("There is no unpacked backup here that waits to be finished.")
        connection.close()
        connection.settings_dict["NAME"] = str(staged)
        try:
            call_command("migrate", interactive=False, verbosity=0)
            pools = raise_epochs(now=utc_now())
            number = begin_restore(now=utc_now())
        except LilongError as error:
            raise CommandError(f"{error.title}: {error}\n{error.next_step}") from error
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        staged.replace(home / DATABASE)
        for suffix in ("-wal", "-shm", ".gate"):
            staged.with_name(staged.name + suffix).unlink(missing_ok=True)
        self.stdout.write(f"{pools} agents have to report anew; the record goes on as log {number}.")
