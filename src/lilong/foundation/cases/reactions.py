"""What keeps cases moving."""

from datetime import datetime

from lilong.foundation.cases.services.cases import mark_overdue


def reconcile(now: datetime) -> None:
    """Mark what is overdue."""
    mark_overdue(now=now)
