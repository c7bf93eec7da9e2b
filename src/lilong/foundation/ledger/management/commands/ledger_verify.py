"""`lilong ledger verify`: recompute every balance from the transfers and name each difference."""

from collections.abc import Mapping
from dataclasses import asdict

from lilong.common.django.commands import HubCommand
from lilong.common.time import format_moment, utc_now
from lilong.foundation.ledger.queries.verification import verify


class Command(HubCommand):
    """Recompute the books."""

    help = __doc__ or ""

    def answer(self, **_: object) -> Mapping[str, object]:
        """Return what was recomputed and every difference."""
        report = verify(now=utc_now())
        verified_at = format_moment(report.verified_at)
        return {"is_balanced": report.is_balanced, **asdict(report), "verified_at": verified_at}
