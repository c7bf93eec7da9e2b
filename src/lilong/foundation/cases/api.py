"""Cases over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field, JsonValue

from lilong.common.django.downloads import send_file
from lilong.common.django.fields import IdInPath, Reason, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.paging import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.cases import queries
from lilong.foundation.cases.core.appeals import APPELLANTS
from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.services import evidence
from lilong.foundation.cases.services.appeals import appeal
from lilong.foundation.cases.services.assignments import assign_case
from lilong.foundation.cases.services.cases import decide_case
from lilong.foundation.cases.services.standings import ask_for_standing, list_offers, load_standing_rule
from lilong.foundation.members.public import StandingKind
from lilong.foundation.members.public.evidence import EvidenceState
from lilong.foundation.members.public.standings import APPLICANTS, list_open_applications

router = Router(tags=["cases"])

OPERATE = allow({Role.OPERATOR}, Scope.OPERATE)
DOWNLOAD = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class OpinionOut(Schema):
    """What one person said to a case."""

    person_id: str
    decision: Decision
    reason: str
    given_at: datetime


class CaseOut(Schema):
    """A request and how it was decided."""

    id: str
    kind: str
    subject_id: str
    organisation_id: str
    opened_by: str
    facts: dict[str, JsonValue]
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
    appeal_until: datetime | None
    appeal_id: str
    appeal_of_id: str
    next_step: str
    opinions: list[OpinionOut]

    @classmethod
    def of(cls, view: queries.CaseView, *, now: datetime) -> "CaseOut":
        """Show a case with what the organisation concerned can do next."""
        said = {name: getattr(view, name) for name in cls.model_fields if name not in {"next_step", "opinions"}}
        opinions = [OpinionOut.model_validate(opinion) for opinion in view.opinions]
        return cls(**said, next_step=view.say_next_step(now=now), opinions=opinions)


class CasePageOut(Schema):
    """One page of cases, newest first."""

    items: list[CaseOut]
    next_cursor: str | None


class DecisionIn(RequestBody):
    """An opinion on a case."""

    decision: Decision
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class CaseEvidenceOut(Schema):
    """A document of the organisation that a case is about."""

    id: str
    kind: str
    title: str
    sha256: str
    size_bytes: int
    issued_on: date
    expires_on: date | None
    state: EvidenceState
    given_at: datetime
    verified_at: datetime | None
    verified_by: str
    verification: str


class CaseEvidenceListOut(Schema):
    """All documents that the organisation shows, newest first."""

    items: list[CaseEvidenceOut]


class VerificationIn(RequestBody):
    """How the document was found to be good."""

    reason: Reason


class AppealIn(RequestBody):
    """Why a refusal should be looked at again."""

    reason: Reason


class AppealedOut(Schema):
    """The case by which others decide the appeal."""

    case_id: str


class AssignmentIn(RequestBody):
    """The operator from whom a decision is expected; empty: from all."""

    person_id: Annotated[str, Field(max_length=64)]


class StandingOfferOut(Schema):
    """What an organisation can ask to be: for how many days, which documents it would show, and which kinds lack."""

    kind: StandingKind
    days: int
    shown: list[CaseEvidenceOut]
    lacking: list[str]


class StandingOffersOut(Schema):
    """The published rule, and what it says to one's own organisation."""

    rule_name: str
    rule_version: str
    rule_sha256: str
    items: list[StandingOfferOut]


class ApplicationOut(Schema):
    """What one's own organisation asks to be, and the case that decides."""

    id: str
    kind: StandingKind
    case_id: str
    applied_at: datetime


class ApplicationsOut(Schema):
    """Everything that is asked and not decided yet."""

    items: list[ApplicationOut]


class ApplicationIn(RequestBody):
    """What the organisation asks to be, or for longer, and why."""

    kind: StandingKind
    reason: Reason


class AppliedOut(Schema):
    """The case that decides what was asked for."""

    case_id: str


@router.get("/cases", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: CasePageOut, **PROBLEMS})
def list_cases(
    request: HttpRequest,
    *,
    state: CaseState | None = None,
    kind: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    overdue: bool | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)] = PAGE_LIMIT_DEFAULT,
) -> object:
    """List the cases that concern your organisation; operators see all."""
    wanted = queries.CaseFilter(state=state, kind=kind, is_overdue=overdue)
    page = queries.list_cases(actor=get_actor(request), wanted=wanted, cursor=cursor, limit=limit)
    now = utc_now()
    return CasePageOut(items=[CaseOut.of(item, now=now) for item in page.items], next_cursor=page.next_cursor)


@router.get("/cases/{case_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: CaseOut, **PROBLEMS})
def get_case(request: HttpRequest, case_id: str) -> object:
    """Show one case."""
    return CaseOut.of(queries.get_case(actor=get_actor(request), case_id=case_id), now=utc_now())


@router.post(
    "/cases/{case_id}/decisions",
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
    response={200: CaseOut, **PROBLEMS},
)
def post_decision(request: HttpRequest, case_id: str, body: DecisionIn) -> object:
    """Approve or refuse a case, with a reason; the last approval that it needs decides it."""
    actor = get_actor(request)
    now = utc_now()
    decide_case(actor=actor, case_id=case_id, decision=body.decision, reason=body.reason, now=now)
    return CaseOut.of(queries.get_case(actor=actor, case_id=case_id), now=now)


@router.get("/cases/{case_id}/evidence", openapi_extra=OPERATE, response={200: CaseEvidenceListOut, **PROBLEMS})
def list_evidence(request: HttpRequest, case_id: IdInPath) -> object:
    """List the documents of the organisation that an open case is about, for who may decide it."""
    return {"items": evidence.list_case_evidence(actor=get_actor(request), case_id=case_id, now=utc_now())}


@router.get(
    "/cases/{case_id}/evidence/{evidence_id}/content",
    openapi_extra=OPERATE | {"responses": {"200": {"description": "The document.", "content": DOWNLOAD}}},
    response=PROBLEMS,
)
def read_evidence(request: HttpRequest, case_id: IdInPath, evidence_id: IdInPath) -> StreamingHttpResponse:
    """Send a document of the organisation that an open case is about; the record says who read it."""
    document = evidence.open_case_evidence(
        actor=get_actor(request), case_id=case_id, evidence_id=evidence_id, now=utc_now()
    )
    reader = document.reader
    return send_file(chunks=reader.chunks, size_bytes=reader.size_bytes)


@router.post(
    "/cases/{case_id}/evidence/{evidence_id}/verify",
    openapi_extra=OPERATE,
    response={200: CaseEvidenceOut, **PROBLEMS},
)
def verify_evidence(request: HttpRequest, case_id: IdInPath, evidence_id: IdInPath, body: VerificationIn) -> object:
    """Note in the record that a document is good, and how that was found out."""
    return evidence.verify_case_evidence(
        actor=get_actor(request), case_id=case_id, evidence_id=evidence_id, reason=body.reason, now=utc_now()
    )


@router.post(
    "/cases/{case_id}/appeals",
    openapi_extra=allow(APPELLANTS, Scope.MANAGE),
    response={202: AppealedOut, **PROBLEMS},
)
def post_appeal(request: HttpRequest, case_id: IdInPath, body: AppealIn) -> Status[object]:
    """Appeal against a refusal that concerns your organisation: people who had no say in it decide."""
    made = appeal(actor=get_actor(request), case_id=case_id, reason=body.reason, now=utc_now())
    return Status(202, AppealedOut(case_id=made))


@router.put(
    "/cases/{case_id}/assignment",
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
    response={204: None, **PROBLEMS},
)
def put_assignment(request: HttpRequest, case_id: IdInPath, body: AssignmentIn) -> Status[object]:
    """Expect the decision from one operator, who is told."""
    assign_case(actor=get_actor(request), case_id=case_id, person_id=body.person_id, now=utc_now())
    return Status(204, None)


@router.get(
    "/standing-offers", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: StandingOffersOut, **PROBLEMS}
)
def list_standing_offers(request: HttpRequest) -> object:
    """List what one's own organisation can ask to be, and which documents of its wallet it would show for it."""
    rule, offers = load_standing_rule().published, list_offers(actor=get_actor(request), now=utc_now())
    return {"rule_name": rule.name, "rule_version": rule.version, "rule_sha256": rule.sha256, "items": offers}


@router.get(
    "/standing-applications", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ApplicationsOut, **PROBLEMS}
)
def list_applications(request: HttpRequest) -> object:
    """List what one's own organisation asks to be, as long as no case has decided."""
    actor = get_actor(request)
    return {"items": list_open_applications(actor=actor, organisation_id=actor.organisation_id)}


@router.post(
    "/standing-applications",
    openapi_extra=allow(APPLICANTS, Scope.MANAGE),
    response={202: AppliedOut, **PROBLEMS},
)
def post_application(request: HttpRequest, body: ApplicationIn) -> Status[object]:
    """Ask to be something more at the hub, or for longer: people decide, and are shown the documents that it needs."""
    made = ask_for_standing(actor=get_actor(request), kind=body.kind, reason=body.reason, now=utc_now())
    return Status(202, AppliedOut(case_id=made))
