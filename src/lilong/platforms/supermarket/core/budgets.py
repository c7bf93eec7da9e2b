"""Budgets: the most that orders may come to in a period, what counts against it, and what of it is left."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from lilong.common.errors import LimitReached
from lilong.common.money import format_credits
from lilong.common.sentences import join_sentences, say
from lilong.common.time import format_moment

MONTHS_OF_YEAR = 12


class BudgetScope(StrEnum):
    """Whose orders count."""

    ORGANISATION = "organisation"
    PROJECT = "project"
    PERSON = "person"


class BudgetPeriod(StrEnum):
    """What counts: the hub's calendar month, or everything since the budget began."""

    MONTH = "month"
    OPEN = "open"


class BudgetExceeded(LimitReached):
    """The order can cost more than one of the organisation's budgets has left."""

    code = "order.budget_exceeded"
    title = "A budget of your organisation does not cover this order"
    status = 402
    next_step = (
        "Allow no more than what is left with --max-cost, take less or shorten walltime_s, or ask an owner, an admin "
        "or who looks after money to raise the budget."
    )


@dataclass(frozen=True, slots=True)
class BudgetRoom:
    """A budget as it stands: held_uc at the most that live orders can cost, charged_uc as they were settled.

    resets_at: when its month ends, None without end.
    """

    budget_id: str
    name: str
    limit_uc: int
    held_uc: int
    charged_uc: int
    resets_at: datetime | None

    @property
    def used_uc(self) -> int:
        """What counts against the limit."""
        return self.held_uc + self.charged_uc

    @property
    def left_uc(self) -> int:
        """What an order may still cost; zero where more is used than a limit that was lowered since."""
        return max(self.limit_uc - self.used_uc, 0)


def check_budget(*, room: BudgetRoom, asked_uc: int) -> BudgetExceeded | None:
    """Return why an order that can cost `asked_uc` may not be, or None where it may.

    >>> room = BudgetRoom("bud_1", "vision", limit_uc=10_000_000, held_uc=4_000_000, charged_uc=0, resets_at=None)
    >>> check_budget(room=room, asked_uc=6_000_000) is None
    True
    >>> check_budget(room=room, asked_uc=6_000_001).detail
    'Budget vision has 6.00 of 10.00 credits left, and this can cost 6.000001: 0.000001 too much.'
    """
    short_uc = asked_uc - room.left_uc
    if short_uc <= 0:
        return None
    detail = say(
        "Budget {budget} has {left} of {limit} credits left, and this can cost {most}: {short} too much.",
        budget=room.name,
        left=format_credits(room.left_uc),
        limit=format_credits(room.limit_uc),
        most=format_credits(asked_uc),
        short=format_credits(short_uc),
    )
    facts: dict[str, str | int] = {
        "budget_id": room.budget_id,
        "limit_uc": room.limit_uc,
        "used_uc": room.used_uc,
        "left_uc": room.left_uc,
        "short_uc": short_uc,
    }
    if room.resets_at is None:
        return BudgetExceeded(detail=detail, facts=facts)
    moment = format_moment(room.resets_at)
    anew = say("It begins anew at {resets_at}.", resets_at=moment)
    return BudgetExceeded(detail=join_sentences(detail, anew), facts=facts | {"resets_at": moment})


def find_month(*, now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when the calendar month of `now` began in `zone`, and when the next one begins.

    >>> from datetime import UTC
    >>> [f"{edge:%d.%m.%y}" for edge in find_month(now=datetime(2026, 12, 31, 23, tzinfo=UTC), zone=UTC)]
    ['01.12.26', '01.01.27']
    """
    here = now.astimezone(zone)
    begins_at = datetime(here.year, here.month, 1, tzinfo=zone)
    years, month = divmod(here.month, MONTHS_OF_YEAR)
    return begins_at, datetime(here.year + years, month + 1, 1, tzinfo=zone)
