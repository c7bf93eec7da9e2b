"""`lilong ledger export FILE`: write the whole books as a Beancount file."""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from lilong.common.django.commands import HubCommand
from lilong.common.errors import InputInvalid
from lilong.common.periods import PeriodInvalid, parse_day
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
        """Take the file, and the stretch of time that the export is of."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--since", default="", help="a day such as 2026-01-01; the first one when left out")
        parser.add_argument("--until", default="", help="a moment such as 2026-03-01T00:00:00Z; now when left out")

    def answer(self, *, file: Path, since: str, until: str, **_: object) -> Mapping[str, object]:
        """Write the file, all or nothing."""
        end = parse_moment(until) if until else utc_now()
        begins_on = parse_day(since) if since else None
        if begins_on and begins_on > end.date():
            raise PeriodInvalid(detail=f"From {begins_on} until {format_moment(end)} it is not.")
        title = f"Books of {settings.LILONG.hub_name}"
        partial = file.with_name(f"{file.name}.part")
        try:
            with partial.open("w", encoding="utf-8") as out:
                out.writelines(export_beancount(title=title, begins_on=begins_on, end=end))
            partial.replace(file)
        except OSError as error:
            raise BooksNotWritten(detail=f"{file}: {error.strerror}.") from error
        return {"file": str(file), "until": format_moment(end)}
