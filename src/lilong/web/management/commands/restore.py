"""`lilong restore`: a hub from a backup, in a process for each step, as later ones read the settings that it unpacks.

On PostgreSQL a third puts the finished database, which is a SQLite file until then, in its place.
"""

import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.db import connection

from lilong.common.django.commands import HubCommand
from lilong.common.errors import Conflict, InputInvalid
from lilong.foundation.objects.reactions import place_stored
from lilong.web.archive import DATABASE, unpack_archive
from lilong.web.copying import require_empty


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


class DatabaseElsewhere(Conflict):
    """The settings name a SQLite file outside of the home folder."""

    code = "backup.database_elsewhere"
    title = "The hub's SQLite file does not lie in its home folder"
    next_step = "Leave `database_url` empty, or name a PostgreSQL database in it, and restore again."


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
        is_elsewhere = _is_elsewhere(home)
        if is_elsewhere:
            require_empty()
        try:
            count = unpack_archive(
                archive=archive, home=home, place_remote=_place if settings.LILONG.objects_url else None
            )
        except OSError as error:
            raise ArchiveUnreadable(detail=f"{error.filename or archive}: {error.strerror}.") from error
        if not is_elsewhere:
            answer = dict(_manage("finish_restore"))
        else:
            embedded = {"LILONG_DATABASE_URL": f"sqlite:///{home / DATABASE}"}
            answer = {**_manage("finish_restore", "--stay", environment=embedded), **_manage("place_restored")}
        return {"files": count, **answer, **_manage("count_missing")}


def _is_elsewhere(home: Path) -> bool:
    """Say whether the hub's database is on a server; raises DatabaseElsewhere for a file that is not in the home."""
    if connection.vendor == "postgresql":
        return True
    if connection.settings_dict["NAME"] != str(home / DATABASE):
        raise DatabaseElsewhere
    return False


def _place(key: str, chunks: Iterator[bytes]) -> None:
    place_stored(key=key, chunks=chunks)


def _manage(*arguments: str, environment: Mapping[str, str] | None = None) -> Mapping[str, object]:
    """Run a management command in a process of its own and return its answer; raises RestoreUnfinished."""
    finished = subprocess.run(
        [sys.executable, "-m", "lilong.web.manage", *arguments],
        env=os.environ | dict(environment or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    answer: dict[str, object] = json.loads(finished.stdout or "{}")
    if finished.returncode:
        said = [str(answer[name]) for name in ("title", "detail") if answer.get(name)]
        raise RestoreUnfinished(detail=" ".join(said))
    return answer
