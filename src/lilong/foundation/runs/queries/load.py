"""What pools have and what they do, and how many runs there are: for whoever keeps the hub running."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min

from lilong.foundation.runs.core.runs import OPEN_STATES, RunState
from lilong.foundation.runs.core.table import LIVE_STATES
from lilong.foundation.runs.models import LIVE, Attempt, Pool, Run
from lilong.foundation.runs.queries.pools import read_inventory
from lilong.protocol.messages import AttemptState, Inventory

DAY = timedelta(days=1)
QUEUED_STATES = frozenset({AttemptState.CREATED, AttemptState.SUBMITTED, AttemptState.QUEUED})


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Runs that go on by state, and those that ended in the last 24 hours by how they did."""

    open: Mapping[RunState, int]
    ended: Mapping[RunState, int]


@dataclass(frozen=True, slots=True)
class Units:
    """Cores or accelerators of a pool, as its agent last said. free: on healthy nodes alone."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """One pool. last_sync_at, queued_since: None while no agent has called, and while no attempt waits to begin.

    attempts: live ones by state. queued_since: when the oldest of those that wait was made.
    """

    pool_id: str
    name: str
    engine: str
    draining: bool
    last_sync_at: datetime | None
    cores: Units
    accelerators: Mapping[str, Units]
    attempts: Mapping[AttemptState, int]
    queued_since: datetime | None


def count_runs(*, now: datetime) -> RunCounts:
    """Return how many runs there are. One query. Cost: linear in open runs and those that ended in the last day."""
    going_on = Run.objects.filter(finished_at=None)
    # Logs stay for a day at least, so the index of runs that have theirs knows all of these.
    ended = Run.objects.filter(logs_deleted_at=None, finished_at__gt=now - DAY)
    counts = [runs.values_list("state").annotate(count=Count("id")) for runs in (going_on, ended)]
    found = {RunState(state): count for state, count in counts[0].union(counts[1], all=True)}
    return RunCounts(
        open={state: found.get(state, 0) for state in OPEN_STATES},
        ended={state: found.get(state, 0) for state in RunState if state not in OPEN_STATES},
    )


def list_pool_loads() -> Sequence[PoolLoad]:
    """Return every pool with its load. Two queries. Cost: linear in nodes of all pools and live attempts."""
    live = Attempt.objects.filter(settled_at=None, state__in=LIVE).values_list("pool_id", "state")
    attempts: dict[str, dict[AttemptState, int]] = {}
    queued_since: dict[str, datetime] = {}
    for pool_id, state, count, oldest_at in live.annotate(count=Count("id"), oldest_at=Min("created_at")):
        attempts.setdefault(pool_id, {})[AttemptState(state)] = count
        if state in QUEUED_STATES:
            queued_since[pool_id] = min(oldest_at, queued_since.get(pool_id, oldest_at))
    return [
        PoolLoad(
            pool_id=pool.id,
            name=pool.name,
            engine=pool.engine,
            draining=pool.draining_at is not None,
            last_sync_at=pool.last_sync_at,
            cores=_count_cores(inventory),
            accelerators=_count_accelerators(inventory),
            attempts={state: attempts.get(pool.id, {}).get(state, 0) for state in LIVE_STATES},
            queued_since=queued_since.get(pool.id),
        )
        for pool in Pool.objects.order_by("id")
        for inventory in [read_inventory(stored=pool.inventory)]
    ]


def _count_cores(inventory: Inventory | None) -> Units:
    nodes = inventory.nodes if inventory else ()
    return Units(
        total=sum(node.cores_total for node in nodes), free=sum(node.cores_free for node in nodes if node.healthy)
    )


def _count_accelerators(inventory: Inventory | None) -> Mapping[str, Units]:
    total: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for node in inventory.nodes if inventory else ():
        for kind in node.accelerators:
            total[kind.accelerator] += kind.total
            free[kind.accelerator] += kind.free if node.healthy else 0
    return {name: Units(total=total[name], free=free[name]) for name in sorted(total)}
