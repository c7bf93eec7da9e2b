"""Reads of what is estimated of starts, and of how good the estimates were."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from lilong.common.money import PPM
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.public import StartEstimate, get_pools
from lilong.platforms.supermarket.models import StartOutlook, StartRecord

OUTLOOK_AGE_MAX = timedelta(minutes=10)
MONTHS_SHOWN = 6
POOLS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class MonthRecord:
    """How good the estimates of one pool were in one month, named by its first day; see `core.scores.Tally`."""

    month: date
    began: int
    given_up: int
    judged_p50: int
    within_p50: int
    judged_p90: int
    within_p90: int
    median_error_ms: int | None
    loss_p50_ms: int | None
    loss_p90_ms: int | None

    @property
    def within_p50_ppm(self) -> int | None:
        """The share that began within p50 of those of which that is known; a good estimate has half of them."""
        return self.within_p50 * PPM // self.judged_p50 if self.judged_p50 else None

    @property
    def within_p90_ppm(self) -> int | None:
        """The same for p90; a good estimate has nine of ten."""
        return self.within_p90 * PPM // self.judged_p90 if self.judged_p90 else None


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """A pool, who runs it, and its months, the newest first."""

    pool_id: str
    name: str
    provider: str
    months: tuple[MonthRecord, ...]


def find_outlooks(*, pool_ids: Iterable[str], now: datetime) -> Mapping[tuple[str, bool], StartEstimate]:
    """Return what a small job would wait, by pool id and whether it has an accelerator. One query."""
    fresh = StartOutlook.objects.filter(pool_id__in=set(pool_ids), estimated_at__gt=now - OUTLOOK_AGE_MAX)
    return {
        (row.pool_id, row.accelerators > 0): StartEstimate(p50_s=row.p50_s, p90_s=row.p90_s, waits=row.waits)
        for row in fresh
    }


def list_start_records(*, now: datetime) -> tuple[PoolRecord, ...]:
    """Return how good estimates were in the last MONTHS_SHOWN months, by name of pool, of POOLS_SHOWN pools at most.

    Public. Three queries. Cost: linear in pools.
    """
    first = _go_back(now.date().replace(day=1), months=MONTHS_SHOWN - 1)
    rows = StartRecord.objects.filter(month__gte=first).order_by("pool_id", "-month")
    by_pool = {pool_id: tuple(map(_view, group)) for pool_id, group in groupby(rows, key=lambda row: row.pool_id)}
    pools = get_pools(pool_ids=list(by_pool), now=now)
    sellers = name_organisations(organisation_ids=[pool.organisation_id for pool in pools.values()])
    records = [
        PoolRecord(pool_id=pool.id, name=pool.name, provider=sellers[pool.organisation_id], months=by_pool[pool.id])
        for pool in pools.values()
    ]
    return tuple(sorted(records, key=lambda record: (record.name, record.provider, record.pool_id))[:POOLS_SHOWN])


def _go_back(month: date, *, months: int) -> date:
    """Return the first day of the month so many months earlier.

    >>> _go_back(date(2026, 3, 1), months=5)
    datetime.date(2025, 10, 1)
    """
    years, number = divmod(month.year * 12 + month.month - 1 - months, 12)
    return date(years, number + 1, 1)


def _view(row: StartRecord) -> MonthRecord:
    return MonthRecord(
        month=row.month,
        began=row.began,
        given_up=row.given_up,
        judged_p50=row.judged_p50,
        within_p50=row.within_p50,
        judged_p90=row.judged_p90,
        within_p90=row.within_p90,
        median_error_ms=row.median_error_ms,
        loss_p50_ms=row.loss_p50_ms,
        loss_p90_ms=row.loss_p90_ms,
    )
