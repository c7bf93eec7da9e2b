"""`lilong restore`: a hub from a backup, in two processes, as the second reads the settings that the first unpacks."""

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.db import connection

from lilong.common.django.commands import HubCommand
from lilong.common.errors import Conflict, InputInvalid
from lilong.web.archive import DATABASE, NotEmbedded, unpack_archive


class ArchiveUnreadable(InputInvalid):
    """The archive cannot be read, or what it holds cannot be written."""

    code = "backup.archive_unreadable"
    title = "The backup could not be unpacked"
    next_step = "Correct what is named here and run it again; nothing runs from what was unpacked."


class RestoreUnfinished(Conflict):
    """The files are unpacked, and the database is not in place."""

    code = "backup.unfinished"
    title = "The restore was not finished"
    next_step = "Correct what is named here and run it again; nothing runs from what was unpacked."


class Command(HubCommand):
    """Make a hub from a backup; pay-outs stay frozen until statements are matched."""

    help = "Make a hub from a backup; pay-outs stay frozen until statements are matched."
    needs_tables = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the archive's path."""
        parser.add_argument("archive", type=Path)

    def answer(self, *, archive: Path, **_: object) -> Mapping[str, object]:
        """Unpack, then finish in a process of its own."""
        home = settings.LILONG.home
        if connection.settings_dict["NAME"] != str(home / DATABASE):
            raise NotEmbedded(detail="The settings name another database than hub.sqlite3 in the home folder.")
        try:
            count = unpack_archive(archive=archive, home=home)
        except OSError as error:
            raise ArchiveUnreadable(detail=f"{error.filename or archive}: {error.strerror}.") from error
        command = [sys.executable, "-m", "lilong.web.manage", "finish_restore"]
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        answer = json.loads(finished.stdout or "{}")
        if finished.returncode:
            raise RestoreUnfinished(detail=" ".join(filter(None, (answer.get("title"), answer.get("detail")))))
        return {"files": count, **answer}
