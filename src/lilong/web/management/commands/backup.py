"""`lilong backup`: the whole of an embedded hub in one file, while it runs."""

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from lilong.common.errors import LilongError
from lilong.common.time import utc_now
from lilong.web.archive import NotEmbedded, write_archive


class Command(BaseCommand):
    """Write database, keys, settings, objects and logs into one archive."""

    help = "Write database, keys, settings, objects and logs into one archive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the archive's path."""
        parser.add_argument("archive", type=Path)

    def handle(self, *, archive: Path, **_: object) -> None:
        """Write it."""
        try:
            if connection.vendor != "sqlite":
                raise NotEmbedded
            database = Path(connection.settings_dict["NAME"])
            count = write_archive(home=settings.LILONG.home, database=database, archive=archive, now=utc_now())
        except LilongError as error:
            raise CommandError(f"{error.title}: {error}\n{error.next_step}") from error
        except OSError as error:
            raise CommandError(f"No backup was written: {error}") from error
        self.stdout.write(f"{count} files in {archive}. It holds the hub's private keys: keep it like them.")
