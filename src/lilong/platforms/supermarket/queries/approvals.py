"""Reads of approvals, with the names that people know."""

from dataclasses import dataclass
from datetime import datetime

from lilong.foundation.members.public.people import list_people
from lilong.platforms.supermarket.core.policy import APPROVERS
from lilong.platforms.supermarket.models import Order


@dataclass(frozen=True, slots=True)
class ApprovalSheet:
    """Who asked for an approval, who can give it, and what was decided.

    decision, decider and reason are empty and decided_at is None until somebody decides.
    """

    above_uc: int
    asker: str
    approvers: tuple[str, ...]
    decision: str
    decider: str
    decided_at: datetime | None
    reason: str


def find_approval_sheet(*, order: Order) -> ApprovalSheet | None:
    """Return what became of the approval that an order needed, None where it needed none. One query."""
    approval = getattr(order, "approval", None)
    if approval is None:
        return None
    people = list_people(
        organisation_id=order.organisation_id, roles=APPROVERS, person_ids=[order.person_id, approval.decided_by]
    )
    names = {person.person_id: person.name for person in people}
    able = [person.name for person in people if person.role in APPROVERS and person.person_id != order.person_id]
    return ApprovalSheet(
        above_uc=approval.above_uc,
        asker=names.get(order.person_id, ""),
        approvers=tuple(able),
        decision=approval.decision,
        decider=names.get(approval.decided_by, ""),
        decided_at=approval.decided_at,
        reason=approval.reason,
    )
