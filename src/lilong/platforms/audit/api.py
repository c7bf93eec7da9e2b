"""Audit packs over HTTP; for operators."""

from datetime import date, datetime

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router, Schema, Status

from lilong.common.django.downloads import send_file
from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, IdInPath, LimitInQuery, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, get_actor
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.platforms.audit.core.packs import PackState
from lilong.platforms.audit.queries import get_pack, list_packs, open_pack
from lilong.platforms.audit.services.packs import request_pack

router = Router(tags=["audit"])
RULE = allow(frozenset({Role.OPERATOR}), Scope.OPERATE)
_ZIP = {
    "responses": {
        200: {
            "description": "The pack",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    }
}


class AuditPackBody(RequestBody):
    """The period: its first day, and the day after its last, of UTC."""

    begins_on: date
    ends_on: date


class AuditPackOut(Schema):
    """A pack as it stands. problem: why the last try failed; is_kept: whether it can be downloaded."""

    id: str
    begins_on: date
    ends_on: date
    requested_by: str
    requested_at: datetime
    state: PackState
    problem: str
    sha256: str
    size_bytes: int
    ready_at: datetime | None
    expires_at: datetime | None
    is_kept: bool


class AuditPackPageOut(Schema):
    """One page of packs, newest first."""

    items: list[AuditPackOut]
    next_cursor: str | None


@router.post("/audit-packs", openapi_extra=RULE, response={202: AuditPackOut, **PROBLEMS})
def post_pack(request: HttpRequest, body: AuditPackBody) -> object:
    """Ask for the audit pack of a closed period; it is made soon, and downloaded when it is ready."""
    actor, now = get_actor(request), utc_now()
    period = DayPeriod(begins_on=body.begins_on, ends_on=body.ends_on)
    return Status(202, get_pack(actor=actor, pack_id=request_pack(actor=actor, period=period, now=now), now=now))


@router.get("/audit-packs", openapi_extra=RULE, response={200: AuditPackPageOut, **PROBLEMS})
def get_packs(request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT) -> object:
    """List audit packs, newest first."""
    return list_packs(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now())


@router.get("/audit-packs/{pack_id}", openapi_extra=RULE, response={200: AuditPackOut, **PROBLEMS})
def show_pack(request: HttpRequest, pack_id: IdInPath) -> object:
    """Show one audit pack."""
    return get_pack(actor=get_actor(request), pack_id=pack_id, now=utc_now())


@router.get("/audit-packs/{pack_id}/file", openapi_extra=RULE | _ZIP, response={200: None, **PROBLEMS})
def download_pack(request: HttpRequest, pack_id: IdInPath) -> HttpResponseBase:
    """Download an audit pack that is ready, as a zip."""
    reader = open_pack(actor=get_actor(request), pack_id=pack_id, now=utc_now())
    return send_file(
        chunks=reader.chunks, size_bytes=reader.size_bytes, filename=f"{pack_id}.zip", media_type="application/zip"
    )
