"""What an organisation is at the hub, from which day until which, and whether it may order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from lilong.common.permissions import Verdict
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState


class StandingKind(StrEnum):
    """What an organisation can be at the hub; it can be several at once."""

    RESIDENT = "resident"
    VIRTUAL = "virtual"
    CHAIN = "chain"
    PROVIDER = "provider"
    SPONSOR = "sponsor"
    INVESTOR = "investor"


STANDING_OF_KIND: Mapping[OrganisationKind, StandingKind] = {
    OrganisationKind.RESIDENT: StandingKind.RESIDENT,
    OrganisationKind.VIRTUAL: StandingKind.VIRTUAL,
    OrganisationKind.CHAIN: StandingKind.CHAIN,
    OrganisationKind.PROVIDER: StandingKind.PROVIDER,
    OrganisationKind.SPONSOR: StandingKind.SPONSOR,
    OrganisationKind.INVESTOR: StandingKind.INVESTOR,
    OrganisationKind.MAKER: StandingKind.VIRTUAL,
}
"""What is granted where a rule says nothing else; the hub needs no standing."""

ORDERING = frozenset({StandingKind.RESIDENT, StandingKind.VIRTUAL, StandingKind.CHAIN, StandingKind.PROVIDER})
"""Sponsors and investors bring money; they do not buy computing power as such."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an organisation is from the day `starts_on` until the day before `ends_on`; None: without end."""

    kind: StandingKind
    starts_on: date
    ends_on: date | None


def holds_on(standing: Standing, *, day: date) -> bool:
    """Say whether a standing holds on this day.

    >>> holds_on(Standing(StandingKind.CHAIN, date(2026, 1, 1), date(2026, 2, 1)), day=date(2026, 2, 1))
    False
    """
    return standing.starts_on <= day and (standing.ends_on is None or day < standing.ends_on)


def overlaps(first: Standing, second: Standing) -> bool:
    """Say whether two periods share a day, whatever they are of; an empty period shares none.

    >>> first = Standing(StandingKind.CHAIN, date(2026, 1, 1), date(2027, 1, 1))
    >>> overlaps(first, Standing(StandingKind.CHAIN, date(2027, 1, 1), None))
    False
    """
    starts_on = max(first.starts_on, second.starts_on)
    ends = [each.ends_on for each in (first, second) if each.ends_on is not None]
    return all(starts_on < ends_on for ends_on in ends)


def may_order(*, kind: OrganisationKind, state: OrganisationState, standings: Sequence[Standing], day: date) -> Verdict:
    """Say whether an organisation may place new orders on this day. What runs already is not asked about.

    >>> over = Standing(StandingKind.RESIDENT, date(2025, 1, 1), date(2026, 1, 1))
    >>> admitted = OrganisationState.ADMITTED
    >>> may_order(kind=OrganisationKind.RESIDENT, state=admitted, standings=[over], day=date(2026, 3, 1)).reason
    'Its standing as resident ended on 2026-01-01.'
    """
    if state is OrganisationState.APPLIED:
        return Verdict(allowed=False, reason=say("Your organisation has applied and is not admitted yet."))
    if state is OrganisationState.SUSPENDED:
        return Verdict(allowed=False, reason=say("Your organisation is suspended."))
    if kind is OrganisationKind.HUB or any(each.kind in ORDERING and holds_on(each, day=day) for each in standings):
        return Verdict(allowed=True)
    return Verdict(allowed=False, reason=_explain_no_standing(standings, day))


def _explain_no_standing(standings: Sequence[Standing], day: date) -> str:
    coming = [each for each in standings if each.kind in ORDERING and each.starts_on > day]
    if coming:
        first = min(coming, key=lambda each: each.starts_on)
        return say(
            "Its standing as {kind} begins on {starts_on}.", kind=first.kind, starts_on=first.starts_on.isoformat()
        )
    over = [(each.ends_on, each.kind) for each in standings if each.kind in ORDERING and each.ends_on is not None]
    if over:
        ends_on, kind = max(over)
        return say("Its standing as {kind} ended on {ends_on}.", kind=kind, ends_on=ends_on.isoformat())
    others = sorted({each.kind for each in standings if holds_on(each, day=day)})
    if others:
        return say(
            "It is at the hub as {others}; that does not include buying computing power.", others=" and ".join(others)
        )
    return say("It has no standing at the hub.")
