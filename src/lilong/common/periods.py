"""Stretches of whole days in UTC: from the beginning of one day until the beginning of another."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from lilong.common.errors import InputInvalid
from lilong.common.sentences import say

DAYS_MAX = 366
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


class PeriodInvalid(InputInvalid):
    """The period ends before it begins, or is too long."""

    code = "time.period_invalid"
    title = "This is not a period"
    next_step = f"Name its first day and the day after its last: 1 to {DAYS_MAX} days."


def parse_day(text: str) -> date:
    """Return the day that `text` says; raises PeriodInvalid.

    >>> parse_day("2026-03-01")
    datetime.date(2026, 3, 1)
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PeriodInvalid(detail=say("{text!r} is not a day such as 2026-03-01.", text=text)) from error


@dataclass(frozen=True, slots=True)
class DayPeriod:
    """All days from `begins_on` on and before `ends_on`, of UTC.

    >>> DayPeriod(begins_on=date(2026, 1, 1), ends_on=date(2026, 4, 1)).end
    datetime.datetime(2026, 4, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """

    begins_on: date
    ends_on: date

    def __post_init__(self) -> None:
        if not 1 <= (self.ends_on - self.begins_on).days <= DAYS_MAX:
            raise PeriodInvalid(
                detail=say(
                    "From {begins_on} until {ends_on} it is not.",
                    begins_on=self.begins_on.isoformat(),
                    ends_on=self.ends_on.isoformat(),
                )
            )

    @property
    def begin(self) -> datetime:
        """First moment of the period."""
        return datetime.combine(self.begins_on, time(), UTC)

    @property
    def end(self) -> datetime:
        """First moment after the period."""
        return datetime.combine(self.ends_on, time(), UTC)


def read_month(text: str, *, now: datetime) -> DayPeriod:
    """Return the month that the text names; the present one, of UTC, when it names none.

    >>> read_month("2026-12", now=datetime(2026, 3, 1, tzinfo=UTC)).ends_on
    datetime.date(2027, 1, 1)
    """
    named = _MONTH.fullmatch(text)
    year, month = (int(named[1]), int(named[2])) if named else (now.year, now.month)
    begins_on = date(year, month, 1)
    return DayPeriod(begins_on=begins_on, ends_on=(begins_on + timedelta(days=32)).replace(day=1))
