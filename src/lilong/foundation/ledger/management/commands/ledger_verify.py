"""`lilong ledger verify`: recompute every balance from the transfers and name each difference."""

from django.core.management.base import BaseCommand

from lilong.common.time import utc_now
from lilong.foundation.ledger.queries.verification import verify


class Command(BaseCommand):
    """Exit 1 when the books contradict their transfers."""

    help = __doc__ or ""

    def handle(self, *_args: object, **_options: object) -> None:
        """Print what was recomputed and every difference."""
        report = verify(now=utc_now())
        self.stdout.write(f"{report.accounts} accounts and {report.transfers} transfers recomputed.")
        for difference in report.differences:
            self.stdout.write(f"{difference.where}: stored {difference.stored}; recomputed {difference.recomputed}")
        if not report.is_balanced:
            self.stdout.write(f"{len(report.differences)} differences. Stop paying out and restore a backup.")
            raise SystemExit(1)
        self.stdout.write("The ledger is balanced.")
