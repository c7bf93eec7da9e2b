"""Estimates of starts: scored when it is known how long they took, added up by month, and renewed for the shelf."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import date, datetime

from django.db import transaction

from lilong.foundation.runs.public import AttemptView, RunView, estimate_starts
from lilong.platforms.supermarket.core.promise import Promise, QuotedWait
from lilong.platforms.supermarket.core.scores import Score, tally_scores
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.models import Offer, Order, StartOutlook, StartRecord, StartScore
from lilong.protocol.spec import RunSpec

SCORES_AT_ONCE = 1_000


def quote_waits(
    *, pool_ids: Collection[str], spec: RunSpec, starts: Mapping[str, Starts], now: datetime
) -> dict[str, QuotedWait]:
    """Return how long a job would wait on these pools, by pool id, where that is known.

    What begins after maintenance is no matter of queues. One query, and one for each pool.
    """
    asked = [pool_id for pool_id in sorted(pool_ids) if starts[pool_id] is not Starts.AFTER_MAINTENANCE]
    found = estimate_starts(pool_ids=asked, accelerators=spec.resources.accelerators * spec.nodes, now=now)
    return {pool_id: QuotedWait(**asdict(estimate)) for pool_id, estimate in found.items()}


def score_starts(*, order: Order, promise: Promise, run: RunView) -> None:
    """Score what the quote estimated for each pool by the first attempt there that began or was given up.

    Idempotent: one score for each order and pool, in the transaction that brings the order to where its run is.
    """
    estimates = {offer.pool_id: offer.wait for offer in promise.offers if offer.wait}
    scores: dict[str, StartScore] = {}
    for attempt in run.attempts:
        estimate = estimates.pop(attempt.pool_id, None)
        known_at = attempt.started_at or attempt.ended_at
        if estimate is not None and known_at is not None:
            scores[attempt.pool_id] = _score(order, attempt, estimate, known_at=known_at)
    StartScore.objects.bulk_create(scores.values(), ignore_conflicts=True)


def sum_up_scores() -> None:
    """Make anew the records of the months to which scores were added. Cost: linear in these months' scores."""
    with transaction.atomic():
        fresh = StartScore.objects.filter(counted=False).order_by("id").values_list("id", "pool_id", "month")
        rows = list(fresh[:SCORES_AT_ONCE])
        for pool_id, month in sorted({(pool_id, month) for _, pool_id, month in rows}):
            _sum_up(pool_id, month)
        StartScore.objects.filter(id__in=[row_id for row_id, _, _ in rows]).update(counted=True)


def renew_outlooks(*, now: datetime) -> None:
    """Estimate the start of a small job on every pool that sells. One query a pool, and three."""
    sold = Offer.objects.on_shelf().values_list("pool_id", "accelerator").distinct()
    wanted: dict[int, set[str]] = {0: set(), 1: set()}
    for pool_id, accelerator in sold:
        wanted[1 if accelerator else 0].add(pool_id)
    outlooks = [
        StartOutlook(
            pool_id=pool_id,
            accelerators=accelerators,
            **asdict(estimate),
            estimated_at=now,
        )
        for accelerators, pool_ids in wanted.items()
        for pool_id, estimate in estimate_starts(pool_ids=pool_ids, accelerators=accelerators, now=now).items()
    ]
    with transaction.atomic():
        StartOutlook.objects.all().delete()
        StartOutlook.objects.bulk_create(outlooks)


def _score(order: Order, attempt: AttemptView, estimate: QuotedWait, *, known_at: datetime) -> StartScore:
    waited = max(known_at, attempt.created_at) - attempt.created_at
    return StartScore(
        order=order,
        pool_id=attempt.pool_id,
        month=known_at.date().replace(day=1),
        p50_s=estimate.p50_s,
        p90_s=estimate.p90_s,
        waits=estimate.waits,
        waited_ms=round(waited.total_seconds() * 1000),
        began=attempt.started_at is not None,
    )


def _sum_up(pool_id: str, month: date) -> None:
    """Write one record from all scores of its month."""
    rows = StartScore.objects.filter(pool_id=pool_id, month=month).values_list("p50_s", "p90_s", "waited_ms", "began")
    tally = tally_scores(
        scores=[Score(p50_s * 1000, p90_s * 1000, waited_ms, began) for p50_s, p90_s, waited_ms, began in rows]
    )
    StartRecord.objects.update_or_create(pool_id=pool_id, month=month, defaults=asdict(tally))
