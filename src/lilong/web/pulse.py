"""The hub's pulse on the front page, from what rooms tell everybody."""

from dataclasses import dataclass
from datetime import datetime

from lilong.foundation.members.public import OrganisationState, count_organisations
from lilong.foundation.members.public.consents import list_named_organisations
from lilong.foundation.record.public import HeadView, find_newest_head
from lilong.platforms.supermarket.public import MarketPulse, get_market_pulse

NAMED_MAX = 48


@dataclass(frozen=True, slots=True)
class Pulse:
    """The hub at one moment. members: organisations that are admitted; named: those of them that agreed to be named.

    head: None while nothing is published.
    """

    at: datetime
    market: MarketPulse
    members: int
    named: list[str]
    head: HeadView | None

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has happened here yet."""
        return not (self.market.capacity or self.market.settled_orders or self.head)


def read_pulse(*, now: datetime) -> Pulse:
    """Return the pulse. Nine queries."""
    return Pulse(
        at=now,
        market=get_market_pulse(now=now),
        members=count_organisations()[OrganisationState.ADMITTED],
        named=list_named_organisations(limit=NAMED_MAX),
        head=find_newest_head(),
    )
