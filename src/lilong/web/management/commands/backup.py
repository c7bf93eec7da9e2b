"""`lilong backup`: the whole of an embedded hub in one file, while it runs."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.db import connection

from lilong.common.django.commands import HubCommand
from lilong.common.errors import Conflict
from lilong.common.time import utc_now
from lilong.web.archive import NotEmbedded, write_archive


class ArchiveNotWritten(Conflict):
    """The archive cannot be written where it was asked for."""

    code = "backup.not_written"
    title = "No backup was written"
    next_step = "Name a file that does not exist yet, in a folder that you may write to and that has room."


class Command(HubCommand):
    """Write database, keys, settings, objects and logs into one archive."""

    help = "Write database, keys, settings, objects and logs into one archive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the archive's path."""
        parser.add_argument("archive", type=Path)

    def answer(self, *, archive: Path, **_: object) -> Mapping[str, object]:
        """Write it."""
        if connection.vendor != "sqlite":
            raise NotEmbedded
        database = Path(connection.settings_dict["NAME"])
        try:
            count = write_archive(home=settings.LILONG.home, database=database, archive=archive, now=utc_now())
        except FileExistsError as error:
            raise ArchiveNotWritten(detail=f"{archive} exists.") from error
        except OSError as error:
            raise ArchiveNotWritten(detail=f"{archive}: {error.strerror}.") from error
        return {"archive": str(archive), "files": count}
