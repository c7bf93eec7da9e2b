"""`lilong ledger export FILE`: write the whole books as a Beancount file."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from lilong.common.django.commands import HubCommand
from lilong.common.errors import InputInvalid
from lilong.common.time import format_moment, parse_moment, utc_now
from lilong.foundation.ledger.queries.beancount import export_beancount


class BooksNotWritten(InputInvalid):
    """The file cannot be written where it was asked for."""

    code = "ledger.books_not_written"
    title = "The books were not written"
    next_step = "Name a file in a folder that you may write to and that has room."


class Command(HubCommand):
    """Write to a file."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and a moment up to which the export goes."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--until", default="", help="a moment such as 2026-03-01T00:00:00Z; now when left out")

    def answer(self, *, file: Path, until: str, **_: object) -> Mapping[str, object]:
        """Write the file, all or nothing."""
        end = parse_moment(until) if until else utc_now()
        partial = file.with_name(f"{file.name}.part")
        try:
            with partial.open("w", encoding="utf-8") as out:
                out.writelines(export_beancount(title=f"Books of {settings.LILONG.hub_name}", end=end))
            partial.replace(file)
        except OSError as error:
            raise BooksNotWritten(detail=f"{file}: {error.strerror}.") from error
        return {"file": str(file), "until": format_moment(end)}
