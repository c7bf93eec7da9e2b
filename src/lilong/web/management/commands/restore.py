"""`lilong restore`: a hub from a backup, in two processes, as the second reads the settings that the first unpacks."""

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from lilong.common.errors import LilongError
from lilong.web.archive import DATABASE, NotEmbedded, unpack_archive


class Command(BaseCommand):
    """Make a hub from a backup; pay-outs stay frozen until statements are matched."""

    help = "Make a hub from a backup; pay-outs stay frozen until statements are matched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the archive's path."""
        parser.add_argument("archive", type=Path)

    def handle(self, *, archive: Path, **_: object) -> None:
        """Unpack, then finish in a process of its own."""
        home = settings.LILONG.home
        try:
            if connection.settings_dict["NAME"] != str(home / DATABASE):
                raise NotEmbedded(detail="The settings name another database than hub.sqlite3 in the home folder.")
            count = unpack_archive(archive=archive, home=home)
        except LilongError as error:
            raise CommandError(f"{error.title}: {error}\n{error.next_step}") from error
        except OSError as error:
            raise CommandError(f"Nothing runs from what was unpacked; running it again is safe: {error}") from error
        command = [sys.executable, "-m", "lilong.web.manage", "finish_restore"]
        if subprocess.run(command, check=False).returncode:
            raise CommandError("Nothing runs from what was unpacked; running it again is safe.")
        self.stdout.write(f"Restored {count} files. Start the hub with `lilong serve`; pay-outs are frozen.")
