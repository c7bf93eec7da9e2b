"""The documents of the organisation that a case is about: seen by whoever decides the case, while it is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.cases.core.decisions import CaseState, may_decide
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.queries import CaseMissing, CaseSheet, is_related
from lilong.foundation.cases.services.cases import CaseClosed, lock_case
from lilong.foundation.members.public.evidence import (
    KEEPERS,
    EvidenceView,
    OpenedDocument,
    list_evidence_of,
    list_used_evidence,
    list_wallet,
    open_evidence,
    use_evidence,
    verify_evidence,
)


@dataclass(frozen=True, slots=True)
class CaseDocuments:
    """The documents of a case. shown: those shown for it, withdrawn ones too; others: the rest that the actor sees.

    may_open: whether the actor may open them now. may_show: whether the actor may show others for the case.
    """

    shown: Sequence[EvidenceView]
    others: Sequence[EvidenceView]
    may_open: bool
    may_show: bool


def read_documents(*, actor: Actor, sheet: CaseSheet, now: datetime) -> CaseDocuments:
    """Return the documents of a case that the actor sees, for pages: opening checks again. Two queries at most."""
    case = sheet.case
    shown = list_used_evidence(subject_id=case.id, now=now)
    is_open, is_own = case.state is CaseState.OPEN, case.organisation_id == actor.organisation_id
    decides = (
        is_open
        and may_decide(
            actor=actor,
            opened_by=case.opened_by,
            organisation_id=case.organisation_id,
            opinions=[],
            is_related=is_related(case=case, actor=actor, now=now),
        ).allowed
    )
    others: Sequence[EvidenceView] = []
    if is_own and is_open:
        others = list_wallet(actor=actor, now=now)
    elif decides and case.organisation_id:
        others = list_evidence_of(organisation_id=case.organisation_id, now=now)
    named = {each.id for each in shown}
    return CaseDocuments(
        shown=shown,
        others=[each for each in others if each.id not in named],
        may_open=is_own or decides,
        may_show=is_own and is_open and may(actor, roles=KEEPERS, scope=Scope.MANAGE).allowed,
    )


def show_evidence(*, actor: Actor, case_id: str, evidence_id: str, now: datetime) -> None:
    """Show a document of one's own wallet for an open case about one's own organisation. Again: nothing.

    Raises CaseMissing, CaseClosed, EvidenceMissing, EvidenceOver, NotAllowed.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.MANAGE))
    with transaction.atomic():
        case = lock_case(case_id=case_id)
        if not actor.organisation_id or case.organisation_id != actor.organisation_id:
            raise CaseMissing(detail=say("There is no case {case_id}.", case_id=case_id[:64]))
        if case.state != CaseState.OPEN:
            raise CaseClosed(detail=say("It was {state}; documents are shown while a case is open.", state=case.state))
        use_evidence(
            organisation_id=actor.organisation_id,
            evidence_ids=[evidence_id],
            subject_id=case.id,
            what=case.kind,
            by=actor.person_id,
            now=now,
        )


def list_case_evidence(*, actor: Actor, case_id: str, now: datetime) -> list[EvidenceView]:
    """Return the documents that the organisation shows, newest first; raises CaseMissing, CaseClosed, NotAllowed."""
    return list_evidence_of(organisation_id=_require_deciding(actor, case_id, now=now), now=now)


def open_case_evidence(*, actor: Actor, case_id: str, evidence_id: str, now: datetime) -> OpenedDocument:
    """Open a document; the record says who read it for which case. Raises as `list_case_evidence`, EvidenceMissing."""
    organisation_id = _require_deciding(actor, case_id, now=now)
    why = f"For the case {case_id}."
    return open_evidence(actor=actor, organisation_id=organisation_id, evidence_id=evidence_id, why=why, now=now)


def verify_case_evidence(*, actor: Actor, case_id: str, evidence_id: str, reason: str, now: datetime) -> EvidenceView:
    """Note that a document is good. Raises as `list_case_evidence`, EvidenceMissing, EvidenceOver."""
    return verify_evidence(
        actor=actor,
        organisation_id=_require_deciding(actor, case_id, now=now),
        evidence_id=evidence_id,
        reason=reason,
        now=now,
    )


def _require_deciding(actor: Actor, case_id: str, *, now: datetime) -> str:
    """Return whom the case concerns, once it is sure that the actor may decide it and it is open.

    Who has given an opinion already may look again as long as others have not.
    """
    case = Case.objects.visible_to(actor).filter(pk=case_id).first()
    if case is None:
        raise CaseMissing(detail=say("There is no case {case_id} that you can see.", case_id=case_id[:64]))
    require(
        may_decide(
            actor=actor,
            opened_by=case.opened_by,
            organisation_id=case.organisation_id,
            opinions=[],
            is_related=is_related(case=case, actor=actor, now=now),
        )
    )
    if case.state != CaseState.OPEN:
        raise CaseClosed(detail=say("It was {state}; documents are shown while a case is open.", state=case.state))
    return case.organisation_id
