"""Pools as those see them who keep them: with what runs there now, and how much of them is free."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from lilong.common.django.paging import page_oldest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.models import LIVE, Attempt, Pool
from lilong.foundation.runs.queries.pools import PoolView, find_own_pool, view_pool

HOSTED_MAX = 100


@dataclass(frozen=True, slots=True)
class Units:
    """Units of one kind in a pool. accelerator: empty for CPU cores."""

    accelerator: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class KeptPool:
    """A pool with its keeper's name, its capacity by kind, its nodes and the attempts that are live on it."""

    pool: PoolView
    organisation_name: str
    units: Sequence[Units]
    nodes: int
    unhealthy: Sequence[str]
    live_attempts: int


@dataclass(frozen=True, slots=True)
class HostedAttempt:
    """A live attempt as the keeper of its pool may see it: its native job and what it has, not whose it is nor what.

    native_ref: empty until the engine has taken it.
    """

    id: str
    pool_name: str
    native_ref: str
    state: str
    nodes: int
    accelerator: str
    accelerators: int
    walltime_s: int
    created_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnPools:
    """The pools of an organisation and the attempts that are live on them, oldest first."""

    pools: Sequence[KeptPool]
    attempts: Sequence[HostedAttempt]


@dataclass(frozen=True, slots=True)
class SilentPool:
    """A pool whose agent is not seen. last_sync_at: None where none ever joined."""

    id: str
    name: str
    last_sync_at: datetime | None
    created_at: datetime


def list_kept_pools(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[KeptPool]:
    """Return a page of the pools that the actor can see, oldest first. Three queries."""
    page = page_oldest_first(Pool.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=_view_all(page.items, now=now), next_cursor=page.next_cursor)


def list_own_pools(*, actor: Actor, limit: int, now: datetime) -> OwnPools:
    """Return the pools of the actor's own organisation, oldest first, and what is live on them. Two queries."""
    mine = Pool.objects.filter(organisation_id=actor.organisation_id).exclude(organisation_id="")
    rows = list(mine.order_by("id")[:limit])
    live = list(_list_live(rows).order_by("id"))
    counts = Counter(attempt.pool_id for attempt in live)
    names = {row.id: row.name for row in rows}
    return OwnPools(
        pools=[_view(row, keeper="", live=counts[row.id], now=now) for row in rows],
        attempts=[
            HostedAttempt(
                id=attempt.id,
                pool_name=names[attempt.pool_id],
                native_ref=attempt.native_ref,
                state=attempt.state,
                nodes=attempt.nodes,
                accelerator=attempt.accelerator,
                accelerators=attempt.accelerators,
                walltime_s=attempt.walltime_s,
                created_at=attempt.created_at,
                started_at=attempt.started_at,
            )
            for attempt in live[:HOSTED_MAX]
        ],
    )


def get_kept_pool(*, actor: Actor, pool_id: str, now: datetime) -> KeptPool:
    """Return a pool that the actor can see; raises PoolMissing. Three queries."""
    return _view_all([find_own_pool(actor=actor, pool_id=pool_id)], now=now)[0]


def list_silent_pools(*, actor: Actor, limit: int, now: datetime) -> list[SilentPool]:
    """Return pools whose agent is not seen, the longest silent first; for the operator. One query."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    since = now - timedelta(seconds=POLICY.away_after_s)
    away = Pool.objects.filter(Q(last_sync_at=None) | Q(last_sync_at__lte=since)).order_by("last_sync_at", "id")
    return [
        SilentPool(id=pool.id, name=pool.name, last_sync_at=pool.last_sync_at, created_at=pool.created_at)
        for pool in away.defer("inventory")[:limit]
    ]


def _view_all(pools: Sequence[Pool], *, now: datetime) -> list[KeptPool]:
    names = name_organisations(organisation_ids={pool.organisation_id for pool in pools})
    counts = Counter(_list_live(pools).order_by().values_list("pool_id", flat=True))
    return [_view(pool, keeper=names.get(pool.organisation_id, ""), live=counts[pool.id], now=now) for pool in pools]


def _list_live(pools: Sequence[Pool]) -> QuerySet[Attempt]:
    return Attempt.objects.filter(pool__in=[pool.id for pool in pools], state__in=LIVE)


def _view(row: Pool, *, keeper: str, live: int, now: datetime) -> KeptPool:
    pool = view_pool(pool=row, now=now)
    nodes = pool.inventory.nodes if pool.inventory else ()
    return KeptPool(
        pool=pool,
        organisation_name=keeper,
        units=_count_units(pool),
        nodes=len(nodes),
        unhealthy=[node.name for node in nodes if not node.healthy],
        live_attempts=live,
    )


def _count_units(pool: PoolView) -> list[Units]:
    total: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for node in pool.inventory.nodes if pool.inventory else ():
        kinds = {kind.accelerator: (kind.total, kind.free) for kind in node.accelerators}
        kinds[""] = (node.cores_total, node.cores_free)
        for name, (has, idle) in kinds.items():
            total[name] += has
            free[name] += idle if node.healthy else 0
    return [Units(name, total[name], free[name]) for name in sorted(total, key=lambda name: (name == "", name))]
