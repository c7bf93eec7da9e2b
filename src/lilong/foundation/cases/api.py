"""Cases over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, JsonValue

from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.paging import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.cases import queries
from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.services.cases import decide_case

router = Router(tags=["cases"])


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
    opinions: list[OpinionOut]


class CasePageOut(Schema):
    """One page of cases, newest first."""

    items: list[CaseOut]
    next_cursor: str | None


class DecisionIn(Schema):
    """An opinion on a case."""

    decision: Decision
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


@router.get("/cases", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: CasePageOut, **PROBLEMS})
def list_cases(
    request: HttpRequest,
    state: CaseState | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)] = PAGE_LIMIT_DEFAULT,
) -> object:
    """List the cases that concern your organisation; operators see all."""
    return queries.list_cases(actor=get_actor(request), state=state, cursor=cursor, limit=limit)


@router.get("/cases/{case_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: CaseOut, **PROBLEMS})
def get_case(request: HttpRequest, case_id: str) -> object:
    """Show one case."""
    return queries.get_case(actor=get_actor(request), case_id=case_id)


@router.post(
    "/cases/{case_id}/decisions",
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
    response={200: CaseOut, **PROBLEMS},
)
def post_decision(request: HttpRequest, case_id: str, body: DecisionIn) -> object:
    """Approve or refuse a case, with a reason; the last approval that it needs decides it."""
    actor = get_actor(request)
    decide_case(actor=actor, case_id=case_id, decision=body.decision, reason=body.reason, now=utc_now())
    return queries.get_case(actor=actor, case_id=case_id)
