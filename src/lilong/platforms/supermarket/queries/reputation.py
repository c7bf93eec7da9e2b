"""Reads of how providers did what they sold: the facts of the window, and what they come to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db.models import Count, Exists, OuterRef
from django.db.models.functions import TruncMonth

from lilong.common.canonical import canonical_json
from lilong.common.errors import NotFound
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.public import get_pools
from lilong.platforms.supermarket.core.reputation import (
    NOTHING,
    WINDOW,
    Reputation,
    Share,
    Tally,
    add_tallies,
    is_about,
)
from lilong.platforms.supermarket.models import Conduct, Figure, Measurement, ReputationShare

FAULTS_SHOWN = 20


def _count() -> dict[Share, Counter[date]]:
    return {share: Counter() for share in Share}


@dataclass(frozen=True, slots=True)
class Facts:
    """What was counted of one pool: by share and month, named by its first day. parts: by share, how many of what."""

    provider_id: str
    kept: dict[Share, Counter[date]] = field(default_factory=_count)
    counted: dict[Share, Counter[date]] = field(default_factory=_count)
    parts: dict[Share, Counter[str]] = field(default_factory=lambda: {share: Counter() for share in Share})
    left_out: int = 0

    def add(self, share: Share, month: date, *, kept: bool | None, count: int = 1) -> None:
        """Count facts that are alike; None says nothing."""
        if kept is not None:
            self.counted[share][month] += count
            self.kept[share][month] += count if kept else 0


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """What one month, named by its first day, adds to a share."""

    month: date
    kept: int
    count: int


@dataclass(frozen=True, slots=True)
class ShareFacts:
    """A share with its facts by month, the newest first, and how many of what, by code."""

    share: Share
    tally: Tally
    months: tuple[MonthFacts, ...]
    parts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Fault:
    """An order that ended by the provider's fault, as that provider's own people see it: whose it was stays away."""

    settled_at: datetime
    cause: str
    attempt_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolReputation:
    """How a pool did what it sold. whole: all pools of its provider, how many there are of them with facts: pools.

    reckoned_at: None while nothing is known of it. left_out: orders of related parties, which count for nothing.
    faults: the latest, for the provider's own people and operators.
    """

    pool_id: str
    name: str
    organisation_id: str
    provider: str
    window_days: int
    reckoned_at: datetime | None
    shares: tuple[ShareFacts, ...]
    whole: Reputation
    pools: int
    left_out: int
    faults: tuple[Fault, ...]


def read_reputations() -> dict[str, Reputation]:
    """Return what is known of every pool, by its id. One query. Cost: linear in pools with facts."""
    return build_reputations(rows=ReputationShare.objects.values_list("pool_id", "share", "kept", "count"))


def build_reputations(*, rows: Iterable[tuple[str, str, int, int]]) -> dict[str, Reputation]:
    """Return what is known by pool, from rows of pool, share, kept and count; a share without facts is left out."""
    found: dict[str, dict[Share, Tally]] = {}
    for pool_id, share, kept, count in rows:
        if count:
            found.setdefault(pool_id, {})[Share(share)] = Tally(kept=kept, count=count)
    return dict(found)


def get_pool_reputation(*, actor: Actor, pool_id: str, now: datetime) -> PoolReputation:
    """Return how a pool did what it sold, with the facts; raises NotFound. Four queries at most."""
    pool = get_pools(pool_ids=[pool_id], now=now).get(pool_id)
    if pool is None:
        raise NotFound(detail=say("There is no pool {pool_id}.", pool_id=pool_id[:64]))
    rows = list(ReputationShare.objects.filter(provider__organisation_id=pool.organisation_id))
    own = {Share(row.share): row for row in rows if row.pool_id == pool_id}
    is_own = actor.is_operator or actor.organisation_id == pool.organisation_id
    return PoolReputation(
        pool_id=pool.id,
        name=pool.name,
        organisation_id=pool.organisation_id,
        provider=name_organisations(organisation_ids=[pool.organisation_id])[pool.organisation_id],
        window_days=WINDOW.days,
        reckoned_at=next((row.reckoned_at for row in own.values()), None),
        shares=tuple(_view(share, own.get(share)) for share in Share),
        whole={
            share: add_tallies(Tally(kept=row.kept, count=row.count) for row in rows if row.share == share)
            for share in Share
        },
        pools=len({row.pool_id for row in rows}),
        left_out=next((row.left_out for row in own.values()), 0),
        faults=_list_faults(pool_id, now=now) if is_own else (),
    )


def read_facts(*, now: datetime) -> dict[str, Facts]:
    """Count the facts of the window by pool; what related parties ordered is left out. Five queries."""
    found: dict[str, Facts] = {}
    recent = Conduct.objects.filter(settled_at__gt=now - WINDOW, settled_at__lte=now)
    for pool_id, provider_id, left_out in (
        recent.filter(related=True).values_list("pool_id", "provider_id").annotate(Count("id"))
    ):
        found[pool_id] = Facts(provider_id=provider_id, left_out=left_out)
    rows = recent.filter(related=False).annotate(month=TruncMonth("settled_at", tzinfo=UTC))
    alike = ("pool_id", "provider_id", "month", "started_in_time", "ended_well", "level_kept", "charged", "cause")
    for pool_id, provider_id, moment, in_time, ended_well, level_kept, charged, cause, count in rows.values_list(
        *alike
    ).annotate(Count("id")):
        facts, month = found.setdefault(pool_id, Facts(provider_id=provider_id)), moment.date()
        facts.add(Share.STARTED_IN_TIME, month, kept=in_time, count=count)
        facts.add(Share.ENDED_WELL, month, kept=ended_well, count=count)
        facts.add(Share.LEVEL_KEPT, month, kept=level_kept, count=count)
        facts.add(Share.UNDISPUTED, month, kept=True if charged else None, count=count)
        if cause:
            facts.parts[Share.ENDED_WELL][cause] += count
    _count_disputes(found, now=now)
    _count_measurements(found, now=now)
    return found


def _count_disputes(found: Mapping[str, Facts], *, now: datetime) -> None:
    """Take what was decided for the member out of what was kept; an order counts once, however often disputed."""
    disputed = Conduct.objects.filter(
        settled_at__gt=now - WINDOW, settled_at__lte=now, related=False, charged=True, order__disputes__isnull=False
    )
    columns = ("id", "pool_id", "settled_at", "attempt_ids")
    of_dispute = ("order__disputes__attempt_ids", "order__disputes__closed_at", "order__disputes__upheld")
    lost: dict[int, tuple[str, date]] = {}
    for row_id, pool_id, settled_at, attempt_ids, doubted_ids, closed_at, upheld in disputed.values_list(
        *columns, *of_dispute
    ):
        if not is_about(dispute_attempt_ids=doubted_ids, attempt_ids=attempt_ids):
            continue
        parts = found[pool_id].parts[Share.UNDISPUTED]
        parts["opened"] += 1
        parts["undecided" if closed_at is None else "upheld" if upheld else "rejected"] += 1
        if upheld:
            lost[row_id] = (pool_id, settled_at.astimezone(UTC).date().replace(day=1))
    for pool_id, month in lost.values():
        found[pool_id].kept[Share.UNDISPUTED][month] -= 1


def _count_measurements(found: Mapping[str, Facts], *, now: datetime) -> None:
    """Count measurements that the provider did not order itself and that had earlier ones to be compared with."""
    believed = Measurement.objects.filter(refusal__isnull=True, checked_at__lte=now).annotate(
        drifted=Exists(Figure.objects.filter(measurement=OuterRef("pk"), drifted=True)),
        counts=Exists(Conduct.objects.filter(order=OuterRef("order"), related=False)),
    )
    seen: set[tuple[str, bytes]] = set()
    columns = ("offer_id", "offer__pool_id", "parameters", "checked_at", "drifted", "counts")
    for offer_id, pool_id, parameters, checked_at, drifted, counts in believed.order_by("checked_at", "id").values_list(
        *columns
    ):
        alike = (offer_id, canonical_json(parameters))
        if alike in seen and counts and checked_at > now - WINDOW and pool_id in found:
            month = checked_at.astimezone(UTC).date().replace(day=1)
            found[pool_id].add(Share.STEADY_SPEED, month, kept=not drifted)
        seen.add(alike)


def _view(share: Share, row: ReputationShare | None) -> ShareFacts:
    if row is None:
        return ShareFacts(share=share, tally=NOTHING, months=(), parts={})
    return ShareFacts(
        share=share,
        tally=Tally(kept=row.kept, count=row.count),
        months=tuple(MonthFacts(date.fromisoformat(month), kept, count) for month, kept, count in row.months),
        parts=row.parts,
    )


def _list_faults(pool_id: str, *, now: datetime) -> tuple[Fault, ...]:
    rows = Conduct.objects.filter(pool_id=pool_id, ended_well=False, related=False, settled_at__gt=now - WINDOW)
    latest = rows.order_by("-settled_at", "-id").values_list("settled_at", "cause", "attempt_ids")[:FAULTS_SHOWN]
    return tuple(Fault(settled_at, cause, tuple(attempt_ids)) for settled_at, cause, attempt_ids in latest)
