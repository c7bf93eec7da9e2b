"""When mail and webhooks are tried again, and when they are given up."""

from datetime import datetime, timedelta

MAIL_WAITS_S = (10, 60, 300, 900, 3600, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 12 * 3600)
WEBHOOK_WAITS_S = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 12 * 3600)
DISABLE_AFTER = timedelta(days=5)
OLD_SECRET_LIFE = timedelta(hours=24)


def find_next_try(*, attempts: int, waits_s: tuple[int, ...], now: datetime) -> datetime | None:
    """Return when to try again after `attempts` failures, or None to give up; over a day passes until then.

    >>> from datetime import UTC
    >>> find_next_try(attempts=1, waits_s=WEBHOOK_WAITS_S, now=datetime(2026, 3, 1, tzinfo=UTC)).second
    5
    """
    return now + timedelta(seconds=waits_s[attempts - 1]) if attempts <= len(waits_s) else None


def is_hopeless(*, failing_since: datetime | None, now: datetime) -> bool:
    """Say whether an endpoint has answered nothing but errors for so long that it is disabled."""
    return failing_since is not None and now - failing_since >= DISABLE_AFTER
