"""What the worker, a restore and the operator's commands call."""

from datetime import datetime

from lilong.foundation.runs.queries.load import PoolLoad, RunCounts, count_runs, list_pool_loads
from lilong.foundation.runs.queries.standing import AgentStanding, list_agents
from lilong.foundation.runs.services.pools import raise_epochs
from lilong.foundation.runs.services.telling import tell_silent, tell_waiting
from lilong.foundation.runs.services.upkeep import reconcile_runs

__all__ = [
    "AgentStanding",
    "PoolLoad",
    "RunCounts",
    "count_runs",
    "list_agents",
    "list_pool_loads",
    "raise_epochs",
    "reconcile",
    "tell",
]


def reconcile(*, now: datetime) -> int:
    """Find all work of this room from its tables, do what is due and return how much was done."""
    return reconcile_runs(now=now)


def tell(*, now: datetime) -> int:
    """Tell of what lasts too long, found in the tables alone; return of how many things."""
    return tell_waiting(now=now) + tell_silent(now=now)
