"""When a failed delivery is tried again, and when it is given up."""

from datetime import datetime, timedelta

ATTEMPTS_MAX = 10
WAIT_MAX_S = 3600


def find_next_try(*, attempts: int, now: datetime) -> datetime | None:
    """Return when to try again after `attempts` failures: 2, 4, 8 … seconds later, at most an hour; None gives up.

    >>> from datetime import UTC
    >>> find_next_try(attempts=3, now=datetime(2026, 3, 1, tzinfo=UTC))
    datetime.datetime(2026, 3, 1, 0, 0, 8, tzinfo=datetime.timezone.utc)
    >>> find_next_try(attempts=10, now=datetime(2026, 3, 1, tzinfo=UTC)) is None
    True
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    return now + timedelta(seconds=min(2**attempts, WAIT_MAX_S))
