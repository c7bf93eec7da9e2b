"""What the worker, a restore and the operator's commands call."""

from datetime import datetime

from lilong.foundation.runs.queries.standing import AgentStanding, list_agents
from lilong.foundation.runs.services.pools import raise_epochs
from lilong.foundation.runs.services.upkeep import reconcile_runs

__all__ = ["AgentStanding", "list_agents", "raise_epochs", "reconcile"]


def reconcile(*, now: datetime) -> int:
    """Find all work of this room from its tables, do what is due and return how much was done."""
    return reconcile_runs(now=now)
