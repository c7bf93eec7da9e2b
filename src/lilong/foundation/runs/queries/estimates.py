"""What the history of pools says of waiting on them."""

from collections.abc import Collection
from datetime import datetime

from lilong.foundation.runs.core.estimates import (
    HISTORY,
    HISTORY_WAITS_MAX,
    PastWait,
    StartEstimate,
    estimate_start,
)
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.silence import is_away
from lilong.foundation.runs.models import Attempt, Pool
from lilong.protocol.messages import AttemptState

COLUMNS = ("created_at", "started_at", "ended_at", "accelerators", "nodes", "state")


def estimate_starts(*, pool_ids: Collection[str], accelerators: int, now: datetime) -> dict[str, StartEstimate]:
    """Return how long an attempt with so many accelerators, over all its nodes, would wait on each of these pools.

    Left out is a pool that is silent or takes no new work, and one of which too little is known. One query, and one for
    each pool, of HISTORY_WAITS_MAX rows at most.
    """
    pools = Pool.objects.filter(id__in=pool_ids, draining_at=None).values_list("id", "last_sync_at")
    heard_of = [pool_id for pool_id, heard_at in pools if not is_away(last_sync_at=heard_at, now=now, policy=POLICY)]
    found = {
        pool_id: estimate_start(history=_read_history(pool_id, now=now), accelerators=accelerators, now=now)
        for pool_id in heard_of
    }
    return {pool_id: estimate for pool_id, estimate in found.items() if estimate is not None}


def _read_history(pool_id: str, *, now: datetime) -> list[PastWait]:
    """Return the last waits on a pool, each from its attempt's making to its start."""
    recent = Attempt.objects.filter(pool_id=pool_id, created_at__gt=now - HISTORY, created_at__lte=now)
    rows = recent.order_by("-created_at", "-id").values_list(*COLUMNS)[:HISTORY_WAITS_MAX]
    return [
        PastWait(
            came_at=came_at,
            left_at=started_at or ended_at,
            began=started_at is not None,
            accelerators=accelerators * nodes,
            called_off=started_at is None and state == AttemptState.CANCELLED,
        )
        for came_at, started_at, ended_at, accelerators, nodes, state in rows
    ]
