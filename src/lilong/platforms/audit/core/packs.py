"""When a pack may be asked for, and when one that failed is tried again."""

from datetime import datetime, timedelta
from enum import StrEnum

from lilong.common.errors import Conflict
from lilong.common.periods import DayPeriod
from lilong.common.sentences import say
from lilong.common.time import format_moment

CLAIMED_FOR = timedelta(minutes=30)
KEPT_FOR = timedelta(days=366)
RETRY_FIRST, DOUBLINGS_MAX = timedelta(seconds=5), 9


class PackState(StrEnum):
    """Where a pack stands."""

    REQUESTED = "requested"
    READY = "ready"


class PeriodOpen(Conflict):
    """Something can still count for the period, so that its pack would not stay what it is."""

    code = "audit.period_open"
    title = "The books of this period are not closed"
    next_step = "Close them up to the end of the period, at the desk under Invoices or by POST /api/v1/ledger/periods."


def check_period(*, period: DayPeriod, closed_until: datetime | None) -> None:
    """Raise PeriodOpen unless nothing can count for the period any more."""
    if closed_until is None or closed_until < period.end:
        until = format_moment(closed_until) if closed_until else "–"
        raise PeriodOpen(detail=say("The books are closed until {until}.", until=until))


def find_pause(*, tries: int) -> timedelta:
    """Return how long to wait after so many failed tries.

    >>> [find_pause(tries=tries).total_seconds() for tries in (1, 2, 3, 20)]
    [5.0, 10.0, 20.0, 2560.0]
    """
    return RETRY_FIRST * (1 << min(tries - 1, DOUBLINGS_MAX))
