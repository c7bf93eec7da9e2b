"""`lilong ledger export FILE`: write the whole books as a Beancount file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from lilong.common.time import parse_moment, utc_now
from lilong.foundation.ledger.queries.beancount import export_beancount


class Command(BaseCommand):
    """Write to a file."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and a moment up to which the export goes."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--until", default="", help="a moment such as 2026-03-01T00:00:00Z; now when left out")

    def handle(self, *_args: object, **options: Any) -> None:  # noqa: ANN401 - what the parser made
        """Write the file, all or nothing."""
        file: Path = options["file"]
        end = parse_moment(options["until"]) if options["until"] else utc_now()
        partial = file.with_name(f"{file.name}.part")
        with partial.open("w", encoding="utf-8") as out:
            out.writelines(export_beancount(title=f"Books of {settings.LILONG.hub_name}", end=end))
        partial.replace(file)
        self.stdout.write(f"Wrote {file}.")
