"""Reads of cases."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from django.db.models import Count, Q, prefetch_related_objects

from lilong.common.canonical import Json, sha256_hex
from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.cases.core.admission import ADMISSION_CASE
from lilong.foundation.cases.core.appeals import Contested, find_obstacle, may_appeal, say_next_step
from lilong.foundation.cases.core.decisions import CaseState, Decision, Opinion, may_decide
from lilong.foundation.cases.core.terms import KindTerms, Terms, read_terms
from lilong.foundation.cases.models import Case, CaseQuerySet
from lilong.foundation.members.public import OrganisationState, list_organisations_in
from lilong.foundation.members.public.ownership import find_relations
from lilong.foundation.members.public.people import list_memberships, list_people, name_organisations

TERMS_FILE = "terms-3.toml"
OPPOSITES = {CaseState.REFUSED: CaseState.APPROVED, CaseState.APPROVED: CaseState.REFUSED}


class CaseMissing(NotFound):
    """There is no such case that the actor may see."""

    code = "cases.missing"
    title = "There is no such case"
    next_step = "List the cases that you can see with `lilong cases list`."


@dataclass(frozen=True, slots=True)
class OpinionView:
    """What one person said."""

    person_id: str
    decision: Decision
    reason: str
    given_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as it stands; see the model for the fields.

    outcome: what holds in the end: the decision, or the other one where an appeal against it was approved.
    appeal_until: end of the time for an appeal. appeal_id, appeal_of_id: the other one of the two.
    """

    id: str
    kind: str
    subject_id: str
    organisation_id: str
    opened_by: str
    concerns: tuple[str, ...]
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
    terms_version: str
    assigned_to: str
    outcome: CaseState
    appeal_against: CaseState
    appeal_until: datetime | None
    appeal_id: str
    appeal_of_id: str
    opinions: tuple[OpinionView, ...]

    def say_next_step(self, *, now: datetime) -> str:
        """Return what the organisation concerned can do about the decision; empty where there is nothing."""
        terms = load_terms().kinds.get(self.kind)
        return say_next_step(self.contest(), after_refusal=terms.after_refusal if terms else "", now=now)

    def contest(self) -> Contested:
        """Return the case as far as an appeal against it goes."""
        return Contested(
            state=self.state,
            appeal_until=self.appeal_until,
            is_appealed=bool(self.appeal_id),
            against=self.appeal_against,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A case in a list. organisation_name: whom it concerns; empty for the hub itself."""

    id: str
    kind: str
    organisation_name: str
    opened_at: datetime
    due_at: datetime
    is_overdue: bool
    state: CaseState
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSheet:
    """A case with what somebody needs who looks at it.

    appealed: the decision that it appeals against. names: of the people in it, by id, as far as they still belong to
    the hub or the organisation concerned. verdict: whether the actor may give an opinion. may_appeal: whether the
    actor can appeal now. after_refusal: what the terms say can be done besides.
    """

    case: CaseView
    appealed: CaseView | None
    organisation_name: str
    names: Mapping[str, str]
    verdict: Verdict
    may_appeal: bool
    after_refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases of a list to keep; None keeps all. is_overdue: whether the time ran out before a decision."""

    state: CaseState | None = None
    kind: str | None = None
    is_overdue: bool | None = None


@lru_cache(maxsize=1)
def load_terms() -> Terms:
    """Return the terms in force, with the hash of the file that they are read from."""
    content = (files("lilong.foundation.cases") / "rules" / TERMS_FILE).read_bytes()
    return read_terms(document=tomllib.loads(content.decode()), sha256=sha256_hex(content))


def get_terms(*, kind: str) -> KindTerms:
    """Return the terms in force of a kind of cases, for rooms that say beforehand who decides and by when."""
    return load_terms().of(kind)


def get_case(*, actor: Actor, case_id: str) -> CaseView:
    """Return a case that the actor may see; raises CaseMissing."""
    case = Case.objects.visible_to(actor).select_related("appeal").filter(pk=case_id).first()
    if case is None:
        raise CaseMissing(detail=say("There is no case {case_id} that you can see.", case_id=case_id[:64]))
    return _view(case)


def get_many(*, case_ids: Sequence[str]) -> dict[str, CaseView]:
    """Return the cases that exist of these, by id; for other rooms. Two queries."""
    cases = Case.objects.filter(pk__in=case_ids).select_related("appeal").prefetch_related("opinions")
    return {case.id: _view(case) for case in cases}


def list_cases(*, actor: Actor, wanted: CaseFilter, cursor: str | None, limit: int) -> Page[CaseView]:
    """Return one page of the wanted cases that the actor may see, newest first. Two queries."""
    cases = _filter(actor=actor, wanted=wanted).select_related("appeal")
    page = page_newest_first(cases, cursor=cursor, limit=limit)
    prefetch_related_objects(list(page.items), "opinions")
    return Page(items=[_view(case) for case in page.items], next_cursor=page.next_cursor)


def list_case_rows(*, actor: Actor, wanted: CaseFilter, cursor: str | None, limit: int) -> Page[CaseRow]:
    """Return one page of the wanted cases that the actor may see, newest first, with names. Two queries."""
    page = page_newest_first(_filter(actor=actor, wanted=wanted), cursor=cursor, limit=limit)
    return Page(items=_rows(page.items), next_cursor=page.next_cursor)


def list_waiting_cases(*, actor: Actor, limit: int) -> list[CaseRow]:
    """Return open cases, those first whose time ends first; for operators. Two queries."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return _rows(list(Case.objects.filter(state=CaseState.OPEN).order_by("due_at", "id")[:limit]))


def get_case_sheet(*, actor: Actor, case_id: str, now: datetime) -> CaseSheet:
    """Return a case that the actor may see with what is needed to decide it or to appeal.

    Seven queries at most, and those of `is_related`. Raises CaseMissing.
    """
    case = get_case(actor=actor, case_id=case_id)
    appealed = get_many(case_ids=[case.appeal_of_id]).get(case.appeal_of_id) if case.appeal_of_id else None
    earlier = {opinion.person_id for opinion in appealed.opinions} | {appealed.opened_by} if appealed else set[str]()
    said = [Opinion(person_id=opinion.person_id, decision=opinion.decision) for opinion in case.opinions]
    speaks = may_appeal(actor=actor, organisation_id=case.organisation_id).allowed
    terms = load_terms().kinds.get(case.kind)
    return CaseSheet(
        case=case,
        appealed=appealed,
        organisation_name=name_organisations(organisation_ids=[case.organisation_id]).get(case.organisation_id, ""),
        names=_find_names(case, appealed),
        verdict=may_decide(
            actor=actor,
            opened_by=case.opened_by,
            organisation_id=case.organisation_id,
            opinions=said,
            earlier=earlier,
            is_related=case.state is CaseState.OPEN and is_related(case=case, actor=actor, now=now),
        ),
        may_appeal=speaks and not find_obstacle(case.contest(), now=now),
        after_refusal=terms.after_refusal if terms and case.state is CaseState.REFUSED else "",
    )


def is_related(*, case: Case | CaseView, actor: Actor, now: datetime) -> bool:
    """Say whether the actor's person belongs, beside the hub, to a party of the case or to a party related to one.

    None of the parties' own operators could decide where the hub itself sells, so the organisation that the actor acts
    for is not asked about: `may_decide` looks at that of a buyer. No query unless the case names parties; one for who
    belongs nowhere else.
    """
    if not case.concerns:
        return False
    others = {each.organisation_id for each in list_memberships(person_id=actor.person_id)} - {actor.organisation_id}
    parties = {case.organisation_id, *case.concerns}
    if others & parties:
        return True
    return any(
        find_relations(first_id=party, other_ids=sorted(others), day=now.date())
        for party in parties
        if party and others
    )


def list_overturned(*, kind: str) -> list[str]:
    """Return the subjects of this kind whose decision an appeal overturned, for reconcilers. One query."""
    overturned = Case.objects.filter(kind=kind, appeal__state=CaseState.APPROVED)
    return list(overturned.order_by("id").values_list("subject_id", flat=True))


def find_overturning(*, case: Case) -> Case | None:
    """Return the appeal against the case that was approved; None where there is none."""
    return Case.objects.filter(appeal_of=case, state=CaseState.APPROVED).first()


def find_appeal_end(*, case: Case) -> datetime | None:
    """Return until when the decision may be appealed against; None where it may not be at all."""
    if case.state != case.appeal_against or case.decided_at is None or not case.appeal_within_s:
        return None
    return case.decided_at + timedelta(seconds=case.appeal_within_s)


def list_stuck_applications() -> list[str]:
    """Return the organisations that applied and whose admission case is missing, unread by the rule, or approved.

    Three queries. Cost: linear in organisations that are not admitted.
    """
    applied = [each.id for each in list_organisations_in(state=OrganisationState.APPLIED)]
    refused = Q(state=CaseState.REFUSED) & ~Q(appeal__state=CaseState.APPROVED)
    settled = Case.objects.filter(refused | (Q(state=CaseState.OPEN) & ~Q(rule_name="")))
    left_alone = set(settled.filter(kind=ADMISSION_CASE, subject_id__in=applied).values_list("subject_id", flat=True))
    return [organisation_id for organisation_id in applied if organisation_id not in left_alone]


def _view(case: Case) -> CaseView:
    appeal = _find_appeal(case)
    is_overturned = appeal is not None and appeal.state == CaseState.APPROVED
    return CaseView(
        id=case.id,
        kind=case.kind,
        subject_id=case.subject_id,
        organisation_id=case.organisation_id,
        opened_by=case.opened_by,
        concerns=tuple(case.concerns),
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
        terms_version=case.terms_version,
        assigned_to=case.assigned_to,
        outcome=OPPOSITES[CaseState(case.state)] if is_overturned else CaseState(case.state),
        appeal_against=CaseState(case.appeal_against),
        appeal_until=find_appeal_end(case=case),
        appeal_id=appeal.id if appeal else "",
        appeal_of_id=case.appeal_of_id or "",
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


def _filter(*, actor: Actor, wanted: CaseFilter) -> CaseQuerySet:
    cases = Case.objects.visible_to(actor)
    if wanted.state is not None:
        cases = cases.filter(state=wanted.state)
    if wanted.kind is not None:
        cases = cases.filter(kind=wanted.kind)
    if wanted.is_overdue is not None:
        cases = cases.filter(overdue_at__isnull=not wanted.is_overdue)
    return cases


def _rows(cases: Sequence[Case]) -> list[CaseRow]:
    names = name_organisations(organisation_ids={case.organisation_id for case in cases})
    return [
        CaseRow(
            id=case.id,
            kind=case.kind,
            organisation_name=names.get(case.organisation_id, ""),
            opened_at=case.opened_at,
            due_at=case.due_at,
            is_overdue=case.overdue_at is not None,
            state=CaseState(case.state),
            decided_at=case.decided_at,
        )
        for case in cases
    ]


def _find_names(*cases: CaseView | None) -> dict[str, str]:
    seen = [case for case in cases if case is not None]
    ids = {case.opened_by for case in seen} | {opinion.person_id for case in seen for opinion in case.opinions}
    wanted = [person_id for person_id in sorted(ids) if person_id]
    if not wanted:
        return {}
    people = list_people(organisation_id="", person_ids=wanted)
    for organisation_id in {case.organisation_id for case in seen if case.organisation_id}:
        people += list_people(organisation_id=organisation_id, person_ids=wanted)
    return {person.person_id: person.name for person in people}


def _find_appeal(case: Case) -> Case | None:
    try:
        return case.appeal
    except Case.DoesNotExist:
        return None


@dataclass(frozen=True, slots=True)
class OpenCases:
    """How many cases wait for people; overdue: those of them whose time is over."""

    open: int
    overdue: int


def count_open_cases(*, now: datetime) -> OpenCases:
    """Return how many cases wait. One query. Cost: linear in open cases."""
    found = Case.objects.filter(state=CaseState.OPEN).aggregate(
        open=Count("id"), overdue=Count("id", filter=Q(due_at__lte=now))
    )
    return OpenCases(open=found["open"], overdue=found["overdue"])
