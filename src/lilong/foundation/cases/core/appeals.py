"""Who may appeal against a refusal, until when, and what somebody who was refused can do next."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.permissions import Actor, Role, Scope, Verdict, may
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.cases.core.decisions import CaseState

APPEAL_CASE = "cases.appeal"
APPELLANTS = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A case, as far as an appeal against it goes. appeal_until: None where there is no appeal."""

    state: CaseState
    appeal_until: datetime | None
    is_appealed: bool


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


def find_obstacle(refusal: Refusal, *, now: datetime) -> str:
    """Return why there can be no appeal now, or an empty text.

    >>> find_obstacle(Refusal(CaseState.OPEN, None, is_appealed=False), now=datetime(2026, 3, 1))
    'It is open: only a refusal can be appealed against.'
    """
    if refusal.state is not CaseState.REFUSED:
        return say("It is {state}: only a refusal can be appealed against.", state=refusal.state)
    if refusal.is_appealed:
        return say("There was an appeal already; there is one chance.")
    if refusal.appeal_until is None:
        return say("There is no appeal against decisions of this kind.")
    if now >= refusal.appeal_until:
        return say("The time for an appeal ended at {appeal_until}.", appeal_until=format_moment(refusal.appeal_until))
    return ""


def say_next_step(refusal: Refusal, *, after_refusal: str, now: datetime) -> str:
    """Return what somebody who was refused can do; empty for a case that was not refused.

    >>> from datetime import UTC
    >>> until = datetime(2026, 3, 31, tzinfo=UTC)
    >>> say_next_step(Refusal(CaseState.REFUSED, until, is_appealed=False), after_refusal="", now=until)
    ''
    """
    if refusal.state is not CaseState.REFUSED:
        return ""
    if find_obstacle(refusal, now=now) or refusal.appeal_until is None:
        return after_refusal
    until = format_moment(refusal.appeal_until)
    return (
        f"Appeal until {until} with `lilong cases appeal`: people who had no say in it decide. {after_refusal}".strip()
    )
