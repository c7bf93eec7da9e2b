"""The documents of the organisation that a case is about: seen by whoever decides the case, while it is open."""

from datetime import datetime

from lilong.common.permissions import Actor, require
from lilong.foundation.cases.core.decisions import CaseState, may_decide
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.queries import CaseMissing
from lilong.foundation.cases.services.cases import CaseClosed
from lilong.foundation.members.public.evidence import (
    EvidenceView,
    list_evidence_of,
    open_evidence,
    verify_evidence,
)
from lilong.foundation.objects.public import ObjectReader


def list_case_evidence(*, actor: Actor, case_id: str, now: datetime) -> list[EvidenceView]:
    """Return the documents that the organisation shows, newest first; raises CaseMissing, CaseClosed, NotAllowed."""
    return list_evidence_of(organisation_id=_require_deciding(actor, case_id), now=now)


def open_case_evidence(*, actor: Actor, case_id: str, evidence_id: str, now: datetime) -> ObjectReader:
    """Open a document; the record says who read it for which case. Raises as `list_case_evidence`, EvidenceMissing."""
    organisation_id = _require_deciding(actor, case_id)
    why = f"For the case {case_id}."
    return open_evidence(actor=actor, organisation_id=organisation_id, evidence_id=evidence_id, why=why, now=now)


def verify_case_evidence(*, actor: Actor, case_id: str, evidence_id: str, reason: str, now: datetime) -> EvidenceView:
    """Note that a document is good. Raises as `list_case_evidence`, EvidenceMissing, EvidenceOver."""
    return verify_evidence(
        actor=actor,
        organisation_id=_require_deciding(actor, case_id),
        evidence_id=evidence_id,
        reason=reason,
        now=now,
    )


def _require_deciding(actor: Actor, case_id: str) -> str:
    """Return whom the case concerns, once it is sure that the actor may decide it and it is open.

    Who has given an opinion already may look again as long as others have not.
    """
    case = Case.objects.visible_to(actor).filter(pk=case_id).first()
    if case is None:
        raise CaseMissing(detail=f"There is no case {case_id[:64]} that you can see.")
    require(may_decide(actor=actor, opened_by=case.opened_by, organisation_id=case.organisation_id, opinions=[]))
    if case.state != CaseState.OPEN:
        raise CaseClosed(detail=f"It was {case.state}; documents are shown while a case is open.")
    return case.organisation_id
