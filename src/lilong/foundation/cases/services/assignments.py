"""Who is expected to decide a case. Anybody else who may decide it still may."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import InputInvalid
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.cases.core.decisions import CaseState, Decision, Opinion, may_decide
from lilong.foundation.cases.models import CaseOpinion
from lilong.foundation.cases.queries import is_related
from lilong.foundation.cases.services.cases import CaseClosed, list_earlier, lock_case
from lilong.foundation.cases.services.telling import announce_case
from lilong.foundation.members.public.people import list_people


class AssigneeUnfit(InputInvalid):
    """The person may not decide on this case."""

    code = "cases.assignee_unfit"
    title = "This person cannot decide this case"
    next_step = "Name an operator who did not open it, is not concerned and has not given an opinion yet."


def assign_case(*, actor: Actor, case_id: str, person_id: str, now: datetime) -> None:
    """Expect a decision from this operator, who is told; an empty person_id expects it from all again.

    Doing it again changes nothing. Raises NotAllowed, CaseMissing, CaseClosed, AssigneeUnfit.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        case = lock_case(case_id=case_id)
        if case.state != CaseState.OPEN:
            raise CaseClosed(detail=say("It was {state}: {reason}", state=case.state, reason=case.reason))
        if case.assigned_to == person_id:
            return
        found = list_people(organisation_id="", roles=frozenset({Role.OPERATOR})) if person_id else []
        person = next((each for each in found if each.person_id == person_id), None)
        if person_id and person is None:
            raise AssigneeUnfit(detail=say("There is no operator with this id."))
        if person is not None:
            given = CaseOpinion.objects.filter(case=case)
            assignee = Actor(
                person_id=person.person_id,
                organisation_id=person.organisation_id,
                role=Role.OPERATOR,
                scopes=frozenset({Scope.OPERATE}),
            )
            verdict = may_decide(
                actor=assignee,
                opened_by=case.opened_by,
                organisation_id=case.organisation_id,
                opinions=[Opinion(person_id=row.person_id, decision=Decision(row.decision)) for row in given],
                earlier=list_earlier(case=case),
                is_related=is_related(case=case, actor=assignee, now=now),
            )
            if not verdict.allowed:
                raise AssigneeUnfit(detail=say("Of that person: {reason}", reason=verdict.reason))
        case.assigned_to = person_id
        case.save(update_fields=["assigned_to"])
        announce_case(case=case, now=now)
