"""Maintenance that a provider has announced for a pool: which work ends before it, and what is said of the rest."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lilong.protocol.waits import Wait, WaitCode


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A half-open window in which nothing of ours may run on a pool; reason: in the provider's words."""

    starts_at: datetime
    ends_at: datetime
    reason: str


def reaches_into(window: Maintenance | None, *, walltime_s: int, now: datetime) -> bool:
    """Return whether work that began now could still run in the window. Without one, or after it, none does.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> window = Maintenance(noon + timedelta(hours=2), noon + timedelta(hours=3), "new cooling")
    >>> [reaches_into(window, walltime_s=hours * 3600, now=noon) for hours in (2, 3)]
    [False, True]
    """
    return window is not None and now < window.ends_at and now + timedelta(seconds=walltime_s) > window.starts_at


def limit_wait(wait_s: int, window: Maintenance | None, *, walltime_s: int, now: datetime) -> int:
    """Return how much of a wait in the pool's queue leaves time to end before the window."""
    if window is None or now >= window.ends_at:
        return wait_s
    latest_at = window.starts_at - timedelta(seconds=walltime_s)
    return min(wait_s, max(0, int((latest_at - now).total_seconds())))


def is_open(window: Maintenance, *, now: datetime) -> bool:
    """Return whether the window has begun and is not over."""
    return window.starts_at <= now < window.ends_at


def describe_opening(window: Maintenance) -> Wait:
    """Return until when a window that has begun lasts, and why.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> describe_opening(Maintenance(noon, noon + timedelta(hours=3), "new cooling")).text
    'maintenance until 2026-03-01 15:00 UTC (new cooling)'
    """
    return Wait(WaitCode.MAINTENANCE_UNTIL, {"ends": _format_minute(window.ends_at), "note": _note(window)})


def explain_maintenance(window: Maintenance | None, *, pool: str, walltime_s: int, now: datetime) -> Wait | None:
    """Return why work does not begin on a pool now; None when no window is in its way. One day stands there only once.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> window = Maintenance(noon + timedelta(hours=2), noon + timedelta(hours=3), "")
    >>> explain_maintenance(window, pool="a", walltime_s=10800, now=noon).text
    'pool a has maintenance from 2026-03-01 14:00 to 15:00 UTC: 3h could reach into it, so it begins after that'
    >>> explain_maintenance(window, pool="a", walltime_s=10800, now=window.starts_at).text
    'pool a has maintenance until 2026-03-01 15:00 UTC: it begins after that'
    """
    if window is None or not reaches_into(window, walltime_s=walltime_s, now=now):
        return None
    begins, ends = _format_minute(window.starts_at), _format_minute(window.ends_at)
    facts: dict[str, str | int] = {"pool": pool, "note": _note(window)}
    if is_open(window, now=now):
        return Wait(WaitCode.MAINTENANCE_NOW, facts | {"ends": ends})
    times: dict[str, str | int] = {"begins": begins, "ends": ends.removeprefix(begins[:11]), "walltime_s": walltime_s}
    return Wait(WaitCode.MAINTENANCE_AHEAD, facts | times)


def _format_minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _note(window: Maintenance) -> str:
    return f" ({window.reason})" if window.reason else ""
