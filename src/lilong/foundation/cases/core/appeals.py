"""Who may appeal against a decision, until when, and what somebody who was refused can do next."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.permissions import Actor, Role, Scope, Verdict, may
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.cases.core.decisions import CaseState

APPEAL_CASE = "cases.appeal"
APPELLANTS = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING})


@dataclass(frozen=True, slots=True)
class Contested:
    """A case, as far as an appeal against it goes. appeal_until: None where there is no appeal.

    against: the decision that can be appealed against.
    """

    state: CaseState
    appeal_until: datetime | None
    is_appealed: bool
    against: CaseState = CaseState.REFUSED


def may_appeal(*, actor: Actor, organisation_id: str) -> Verdict:
    """Say whether the actor speaks for the organisation that a case concerns.

    >>> from lilong.common.permissions import PUBLIC
    >>> may_appeal(actor=PUBLIC, organisation_id="org_1").reason
    'This needs a person who is signed in.'
    """
    verdict = may(actor, roles=APPELLANTS, scope=Scope.MANAGE)
    if verdict.allowed and (not organisation_id or actor.organisation_id != organisation_id):
        return Verdict(allowed=False, reason=say("Only the organisation that a case concerns appeals."))
    return verdict


def find_obstacle(contested: Contested, *, now: datetime) -> str:
    """Return why there can be no appeal now, or an empty text.

    >>> find_obstacle(Contested(CaseState.OPEN, None, is_appealed=False), now=datetime(2026, 3, 1))
    'It is open: only a refusal can be appealed against.'
    """
    if contested.state is not contested.against:
        if contested.against is CaseState.APPROVED:
            return say("It is {state}: only an approval can be appealed against.", state=contested.state)
        return say("It is {state}: only a refusal can be appealed against.", state=contested.state)
    if contested.is_appealed:
        return say("There was an appeal already; there is one chance.")
    if contested.appeal_until is None:
        return say("There is no appeal against decisions of this kind.")
    if now >= contested.appeal_until:
        ended = format_moment(contested.appeal_until)
        return say("The time for an appeal ended at {appeal_until}.", appeal_until=ended)
    return ""


def say_next_step(contested: Contested, *, after_refusal: str, now: datetime) -> str:
    """Return what can be done about a decision that can be appealed against or is a refusal; empty for any other.

    >>> from datetime import UTC
    >>> until = datetime(2026, 3, 31, tzinfo=UTC)
    >>> say_next_step(Contested(CaseState.REFUSED, until, is_appealed=False), after_refusal="", now=until)
    ''
    """
    besides = after_refusal if contested.state is CaseState.REFUSED else ""
    if find_obstacle(contested, now=now) or contested.appeal_until is None:
        return besides
    until = format_moment(contested.appeal_until)
    return f"Appeal until {until} with `lilong cases appeal`: people who had no say in it decide. {besides}".strip()
