"""The evidence wallet over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import StringConstraints

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    IdInPath,
    LimitInQuery,
    Name,
    RequestBody,
    Sha256,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.foundation.members.core.evidence import EXPIRING_WITHIN_DAYS, EvidenceState
from lilong.foundation.members.queries import evidence as queries
from lilong.foundation.members.services import evidence
from lilong.foundation.members.services.evidence import KEEPERS

router = Router(tags=["evidence"])


class EvidenceIn(RequestBody):
    """A document: an object that the organisation uploaded, what it is, and when it is good."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    title: Name
    sha256: Sha256
    issued_on: date
    expires_on: date | None = None


class EvidenceOut(Schema):
    """A document in the wallet; elsewhere it is named by `id` and `sha256`."""

    id: str
    organisation_id: str
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


class EvidencePageOut(Schema):
    """A page of documents, newest first."""

    items: list[EvidenceOut]
    next_cursor: str | None


class ExpiringOut(Schema):
    """The documents that expire soon, soonest first."""

    items: list[EvidenceOut]


class EvidenceKindOut(Schema):
    """A kind of document; `expires` says that its day of expiry has to be named."""

    code: str
    name_en: str
    name_zh: str
    expires: bool


class EvidenceKindsOut(Schema):
    """The published list of kinds."""

    version: str
    items: list[EvidenceKindOut]


@router.get("/evidence-kinds", response={200: EvidenceKindsOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_kinds(request: HttpRequest) -> Status[object]:
    """List the kinds of documents that the wallet takes."""
    known = queries.load_evidence_kinds()
    return Status(200, {"version": known.version, "items": list(known.kinds.values())})


@router.post("/evidence", response={201: EvidenceOut, **PROBLEMS}, openapi_extra=allow(KEEPERS, Scope.MANAGE))
def give_evidence(request: HttpRequest, body: EvidenceIn) -> Status[object]:
    """Put a document into the wallet of one's own organisation; upload the file as an object first."""
    given = evidence.give_evidence(
        actor=get_actor(request),
        kind=body.kind,
        title=body.title,
        sha256=body.sha256,
        issued_on=body.issued_on,
        expires_on=body.expires_on,
        now=utc_now(),
    )
    return Status(201, given)


@router.get("/evidence", response={200: EvidencePageOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_evidence(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List the documents of one's own organisation, withdrawn ones too."""
    page = queries.list_evidence(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now())
    return Status(200, page)


@router.get("/evidence/expiring", response={200: ExpiringOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_expiring(
    request: HttpRequest, within_days: Annotated[int, Query(ge=1, le=366)] = EXPIRING_WITHIN_DAYS
) -> Status[object]:
    """List the documents of one's own organisation that expire within so many days."""
    items = queries.list_own_expiring(actor=get_actor(request), within_days=within_days, now=utc_now())
    return Status(200, {"items": items})


@router.get(
    "/evidence/{evidence_id}", response={200: EvidenceOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ)
)
def get_evidence(request: HttpRequest, evidence_id: IdInPath) -> Status[object]:
    """Show a document of one's own organisation; its bytes are at `/objects/{sha256}`."""
    return Status(200, queries.get_evidence(actor=get_actor(request), evidence_id=evidence_id, now=utc_now()))


@router.delete("/evidence/{evidence_id}", response={204: None, **PROBLEMS}, openapi_extra=allow(KEEPERS, Scope.MANAGE))
def withdraw_evidence(request: HttpRequest, evidence_id: IdInPath) -> Status[object]:
    """Take a document back; what was decided with it stays decided."""
    evidence.withdraw_evidence(actor=get_actor(request), evidence_id=evidence_id, now=utc_now())
    return Status(204, None)
