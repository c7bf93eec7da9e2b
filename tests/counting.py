"""What tests share of what is counted of providers: made-up figures, as if a quarter's orders had been settled."""

from datetime import datetime, timedelta

from django.db import transaction

from lilong.foundation.runs.models import Attempt
from lilong.platforms.supermarket.core.reputation import Share
from lilong.platforms.supermarket.models import Conduct, ReputationShare
from lilong.platforms.supermarket.services.shelf import turn_reckoning

COUNTED = {
    Share.ENDED_WELL: (409, 412, {"node_lost": 2, "preempted_by_provider": 1}),
    Share.STARTED_IN_TIME: (226, 251, {}),
    Share.LEVEL_KEPT: (0, 0, {}),
    Share.UNDISPUTED: (405, 406, {"opened": 3, "rejected": 1, "undecided": 1, "upheld": 1}),
    Share.STEADY_SPEED: (3, 3, {}),
}


@transaction.atomic
def note_reputation(*, provider_id: str, pool_id: str, order_id: str, now: datetime) -> None:
    """Put figures beside a pool, of an order that failed there, too."""
    for share, (kept, count, parts) in COUNTED.items():
        note_share(provider_id=provider_id, pool_id=pool_id, share=share, kept=kept, count=count, parts=parts, now=now)
    Conduct.objects.create(
        order_id=order_id,
        provider_id=provider_id,
        pool_id=pool_id,
        settled_at=now,
        related=False,
        ended_well=False,
        charged=True,
        cause="node_lost",
        attempt_ids=list(Attempt.objects.filter(pool_id=pool_id).values_list("id", flat=True)[:1]),
    )
    turn_reckoning()


@transaction.atomic
def note_share(
    *,
    provider_id: str,
    pool_id: str,
    share: Share,
    kept: int,
    count: int,
    parts: dict[str, int] | None = None,
    now: datetime,
) -> None:
    """Put one figure beside a pool, a third of whose facts are of the month before."""
    month = now.date().replace(day=1)
    earlier = (month - timedelta(days=1)).replace(day=1)
    before = [kept // 3, count // 3]
    months = [[month.isoformat(), kept - before[0], count - before[1]], [earlier.isoformat(), *before]]
    ReputationShare.objects.update_or_create(
        pool_id=pool_id,
        share=share,
        defaults={
            "provider_id": provider_id,
            "kept": kept,
            "count": count,
            "months": months if count else [],
            "parts": parts or {},
            "left_out": 4,
            "reckoned_at": now,
        },
    )
