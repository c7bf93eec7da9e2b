"""Aware UTC moments and their one text form. `utc_now` is for the outermost callers; all else is handed `now`."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lilong.common.errors import InputInvalid
from lilong.common.sentences import say

_DURATION = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?")


class MomentInvalid(InputInvalid):
    """The text is not a moment in RFC 3339 form with an offset."""

    code = "time.moment_invalid"
    title = "This is not a moment"
    next_step = "Write it like 2026-03-01T12:00:00Z."


class DurationInvalid(InputInvalid):
    """The text is not a duration."""

    code = "time.duration_invalid"
    title = "This is not a duration"
    next_step = "Write it like 90s, 15m, 1h30m or 2d."


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def format_moment(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with exactly six decimals: equal moments have equal text.

    >>> format_moment(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'
    """
    if moment.tzinfo is None:
        raise MomentInvalid(detail=say("A moment without a time zone cannot be placed."))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_moment(text: str) -> datetime:
    """Return the UTC moment that `text` says; raises MomentInvalid without an offset.

    >>> parse_moment("2026-03-01T20:00:00+08:00")
    datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MomentInvalid(detail=say("{text!r} is not a moment.", text=text)) from error
    if moment.tzinfo is None:
        raise MomentInvalid(detail=say("{text!r} names no time zone.", text=text))
    return moment.astimezone(UTC)


def list_days(*, now: datetime, count: int) -> list[datetime]:
    """Return when each of the last `count` days of UTC began, oldest first, and when the present one, the last, ends.

    >>> [f"{edge:%d.%m.}" for edge in list_days(now=datetime(2026, 3, 1, 12, tzinfo=UTC), count=2)]
    ['28.02.', '01.03.', '02.03.']
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today + timedelta(days=1 - back) for back in range(count, -1, -1)]


def list_weeks(*, now: datetime, count: int) -> list[datetime]:
    """Return when each of the last `count` weeks of UTC began, on a Monday, and when the present one, the last, ends.

    >>> [f"{edge:%a %d.%m.}" for edge in list_weeks(now=datetime(2026, 3, 1, 12, tzinfo=UTC), count=2)]
    ['Mon 16.02.', 'Mon 23.02.', 'Mon 02.03.']
    """
    today = list_days(now=now, count=1)[0]
    monday = today - timedelta(days=today.weekday())
    return [monday + timedelta(weeks=1 - back) for back in range(count, -1, -1)]


def find_zone(*, name: str) -> tzinfo:
    """Return the time zone of this name; raises ValueError where this machine knows none.

    >>> find_zone(name="UTC")
    datetime.timezone.utc
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone that this machine knows.") from error


def parse_duration_s(text: str) -> int:
    """Return the seconds that `text` says, in days, hours, minutes and seconds.

    >>> parse_duration_s("1h30m"), parse_duration_s("90s")
    (5400, 90)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise DurationInvalid(detail=say("{text!r} is not a duration.", text=text))
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def round_estimate_s(seconds: int) -> int:
    """Return seconds rounded up as far as an estimate deserves: to ten, after ten minutes to minutes, then hours.

    >>> [round_estimate_s(each) for each in (0, 61, 620, 40_000)]
    [10, 70, 660, 43200]
    """
    step_s = next(step_s for step_s, most_s in ((10, 600), (60, 6 * 3600), (3600, seconds)) if seconds <= most_s)
    return max(-(-seconds // step_s), 1) * step_s


def format_duration(seconds: int) -> str:
    """Return whole seconds in the form that `parse_duration_s` reads.

    >>> format_duration(5400), format_duration(0)
    ('1h30m', '0s')
    """
    parts: list[str] = []
    rest = seconds
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
