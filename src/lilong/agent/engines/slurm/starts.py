"""Judge when Slurm says that a job will start. Pure."""

from datetime import datetime, timedelta

AHEAD_MAX = timedelta(days=7)
OVERDUE_MAX = timedelta(minutes=5)


def believe_start(*, starts_at: datetime | None, now: datetime) -> datetime | None:
    """Return the expected start, or None where what Slurm says tells nothing.

    With others waiting, Slurm adds up the time limits of all, to the year 2473 if need be; and of a job that it has not
    planned anew for a while it repeats a moment that has passed.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> hours = (-1, 1, 1000)
    >>> [believe_start(starts_at=noon + timedelta(hours=count), now=noon) is not None for count in hours]
    [False, True, False]
    """
    if starts_at is None or not now - OVERDUE_MAX <= starts_at <= now + AHEAD_MAX:
        return None
    return starts_at
