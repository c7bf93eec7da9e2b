"""Which agents still speak with the hub: for whoever keeps it running."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.foundation.runs.models import Pool


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """An agent that has joined a pool, and when it last called."""

    pool_id: str
    pool_name: str
    last_sync_at: datetime


def list_agents() -> Sequence[AgentStanding]:
    """Return the agents of all pools that any has joined and that take work. One query."""
    pools = Pool.objects.filter(last_sync_at__isnull=False, draining_at=None).order_by("id")
    rows = pools.values_list("id", "name", "last_sync_at")
    return [
        AgentStanding(pool_id=pool_id, pool_name=name, last_sync_at=last_sync_at)
        for pool_id, name, last_sync_at in rows
        if last_sync_at is not None
    ]
