"""Reads of cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, prefetch_related_objects

from lilong.common.canonical import Json
from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.foundation.cases.core.admission import ADMISSION_CASE
from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.models import Case
from lilong.foundation.members.public import OrganisationState, list_organisations_in


class CaseMissing(NotFound):
    """There is no such case that the actor may see."""

    code = "cases.missing"
    title = "There is no such case"


@dataclass(frozen=True, slots=True)
class OpinionView:
    """What one person said."""

    person_id: str
    decision: Decision
    reason: str
    given_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as it stands; see the model for the fields."""

    id: str
    kind: str
    subject_id: str
    organisation_id: str
    opened_by: str
    facts: Mapping[str, Json]
    approvals_needed: int
    opened_at: datetime
    due_at: datetime
    is_overdue: bool
    state: CaseState
    decided_at: datetime | None
    reason: str
    rule_name: str
    rule_version: str
    rule_sha256: str
    rule_distance: int | None
    opinions: tuple[OpinionView, ...]


def get_case(*, actor: Actor, case_id: str) -> CaseView:
    """Return a case that the actor may see; raises CaseMissing."""
    case = Case.objects.visible_to(actor).filter(pk=case_id).first()
    if case is None:
        raise CaseMissing(detail=f"There is no case {case_id[:64]} that you can see.")
    return _view(case)


def get_many(*, case_ids: Sequence[str]) -> dict[str, CaseView]:
    """Return the cases that exist of these, by id; for other rooms. Two queries."""
    cases = Case.objects.filter(pk__in=case_ids).prefetch_related("opinions")
    return {case.id: _view(case) for case in cases}


def list_cases(*, actor: Actor, state: CaseState | None, cursor: str | None, limit: int) -> Page[CaseView]:
    """Return one page of the cases that the actor may see, newest first. Two queries."""
    cases = Case.objects.visible_to(actor)
    page = page_newest_first(cases.filter(state=state) if state else cases, cursor=cursor, limit=limit)
    prefetch_related_objects(list(page.items), "opinions")
    return Page(items=[_view(case) for case in page.items], next_cursor=page.next_cursor)


def list_stuck_applications() -> list[str]:
    """Return the organisations that applied and whose admission case is missing, unread by the rule, or approved.

    Three queries. Cost: linear in organisations that are not admitted.
    """
    applied = [each.id for each in list_organisations_in(state=OrganisationState.APPLIED)]
    settled = Case.objects.filter(Q(state=CaseState.REFUSED) | (Q(state=CaseState.OPEN) & ~Q(rule_name="")))
    left_alone = set(settled.filter(kind=ADMISSION_CASE, subject_id__in=applied).values_list("subject_id", flat=True))
    return [organisation_id for organisation_id in applied if organisation_id not in left_alone]


def _view(case: Case) -> CaseView:
    return CaseView(
        id=case.id,
        kind=case.kind,
        subject_id=case.subject_id,
        organisation_id=case.organisation_id,
        opened_by=case.opened_by,
        facts=case.facts,
        approvals_needed=case.approvals_needed,
        opened_at=case.opened_at,
        due_at=case.due_at,
        is_overdue=case.overdue_at is not None,
        state=CaseState(case.state),
        decided_at=case.decided_at,
        reason=case.reason,
        rule_name=case.rule_name,
        rule_version=case.rule_version,
        rule_sha256=case.rule_sha256,
        rule_distance=case.rule_distance,
        opinions=tuple(
            OpinionView(
                person_id=opinion.person_id,
                decision=Decision(opinion.decision),
                reason=opinion.reason,
                given_at=opinion.given_at,
            )
            for opinion in sorted(case.opinions.all(), key=lambda each: each.id)
        ),
    )
