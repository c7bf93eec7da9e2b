"""Appeals: the organisation concerned asks once that a decision is looked at by people who had no say in it."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, require
from lilong.common.sentences import say
from lilong.foundation.cases.core.appeals import APPEAL_CASE, Contested, find_obstacle, may_appeal
from lilong.foundation.cases.core.decisions import CaseState
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.queries import CaseMissing, find_appeal_end, load_terms
from lilong.foundation.cases.services.telling import announce_case


class AppealImpossible(Conflict):
    """The decision is not one to appeal against, its time for an appeal is over, or there was one."""

    code = "cases.appeal_impossible"
    title = "There can be no appeal against this"
    next_step = "Read the case: it says how it stands, until when there can be an appeal, and what else can be done."


def appeal(*, actor: Actor, case_id: str, reason: str, now: datetime) -> str:
    """Appeal against a decision and return the appeal's case, which others decide; the decision stays as it is.

    When the appeal is approved, the opposite of the decision happens. Raises CaseMissing, NotAllowed, AppealImpossible.
    """
    with transaction.atomic():
        first = Case.objects.select_for_update().visible_to(actor).filter(pk=case_id).first()
        if first is None:
            raise CaseMissing(detail=say("There is no case {case_id} that you can see.", case_id=case_id[:64]))
        require(may_appeal(actor=actor, organisation_id=first.organisation_id))
        until = find_appeal_end(case=first)
        is_appealed = Case.objects.filter(appeal_of=first).exists()
        contested = Contested(
            state=CaseState(first.state),
            appeal_until=until,
            is_appealed=is_appealed,
            against=CaseState(first.appeal_against),
        )
        obstacle = find_obstacle(contested, now=now)
        if obstacle:
            raise AppealImpossible(detail=obstacle)
        terms = load_terms()
        case = Case.objects.create(
            id=new_id("cas"),
            kind=APPEAL_CASE,
            subject_id=first.id,
            organisation_id=first.organisation_id,
            opened_by=actor.person_id,
            facts={
                "appeal": reason,
                f"{first.state}_because": first.reason,
                "request": first.facts,
                "request_kind": first.kind,
            },
            approvals_needed=first.approvals_needed,
            opened_at=now,
            due_at=now + terms.of(APPEAL_CASE).decide_within,
            state=CaseState.OPEN,
            terms_version=terms.published.version,
            terms_sha256=terms.published.sha256,
            appeal_of=first,
        )
        announce_case(case=case, now=now)
    return case.id
