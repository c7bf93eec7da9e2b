"""Who may say something to a case, and when it is decided."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lilong.common.permissions import Actor, Role, Scope, Verdict, may
from lilong.common.sentences import say


class CaseState(StrEnum):
    """Where a case stands; all but open are for good."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


class Decision(StrEnum):
    """What one person, or a rule, says to a case."""

    APPROVE = "approve"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person said."""

    person_id: str
    decision: Decision


def may_decide(
    *,
    actor: Actor,
    opened_by: str,
    organisation_id: str,
    opinions: Sequence[Opinion],
    earlier: Collection[str] = (),
    is_related: bool = False,
) -> Verdict:
    """Say whether the actor may give an opinion: an operator, not the opener, not concerned, and only once.

    earlier: who had a say in the decision that the case appeals against; they have none in the appeal. is_related:
    whether the actor belongs to an organisation that the case names, or to one related to it.

    >>> from lilong.common.permissions import PUBLIC
    >>> may_decide(actor=PUBLIC, opened_by="per_1", organisation_id="org_1", opinions=[]).allowed
    False
    """
    verdict = may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE)
    if not verdict.allowed:
        return verdict
    if actor.person_id == opened_by:
        return Verdict(allowed=False, reason=say("You opened this case: others decide it."))
    if organisation_id and actor.organisation_id == organisation_id:
        return Verdict(allowed=False, reason=say("This case concerns your own organisation: others decide it."))
    if is_related:
        return Verdict(allowed=False, reason=say("You belong to a party of this case, or to one related to it."))
    if any(opinion.person_id == actor.person_id for opinion in opinions):
        return Verdict(allowed=False, reason=say("You have decided on this case already."))
    if actor.person_id in earlier:
        return Verdict(allowed=False, reason=say("You had a say in the decision appealed against: others decide."))
    return Verdict(allowed=True)


def find_state(*, opinions: Sequence[Opinion], approvals_needed: int) -> CaseState:
    """Return where a case stands with these opinions of distinct people.

    >>> find_state(opinions=[Opinion("per_1", Decision.APPROVE)], approvals_needed=2)
    <CaseState.OPEN: 'open'>
    """
    if any(opinion.decision is Decision.REFUSE for opinion in opinions):
        return CaseState.REFUSED
    return CaseState.APPROVED if len(opinions) >= approvals_needed else CaseState.OPEN
