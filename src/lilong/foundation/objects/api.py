"""Objects over HTTP: find, upload in pieces, download in ranges, delete, link."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, TypeAlias

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Field, Query, Router, Schema, Status
from ninja.errors import HttpError

from lilong.common.django.problems import PROBLEMS, ProblemOut, respond_problem
from lilong.common.django.routes import allow, allow_public, get_actor
from lilong.common.errors import InputInvalid
from lilong.common.paging import PAGE_LIMIT_DEFAULT
from lilong.common.permissions import Role, Scope, may, require
from lilong.common.time import utc_now
from lilong.foundation.objects.core.ranges import RangeUnsatisfiable, parse_range
from lilong.foundation.objects.queries import (
    ObjectReader,
    UploadView,
    find_many,
    get_storage_use,
    get_upload,
    list_objects,
    open_object,
)
from lilong.foundation.objects.services.links import LINK_S_MAX, make_link, open_link, revoke_links
from lilong.foundation.objects.services.references import delete_object, renew
from lilong.foundation.objects.services.uploads import abandon_upload, append_upload, begin_upload
from lilong.protocol.spec import Sha256

router = Router(tags=["objects"])

REQUEST_BYTES_MAX = 16 * 1024**2
FIND_MAX = 1000
CHUNK_BYTES = 256 * 1024
SIZE_MAX = 2**50

READERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER})
WRITERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.MEMBER})

Open: TypeAlias = Callable[[int, int | None], ObjectReader]

_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_DOWNLOADS = {200: {"description": "The whole object"} | _BYTES, 206: {"description": "The range asked for"} | _BYTES}
_BODY = {"requestBody": {"required": False, **_BYTES}}


class RequestTooLong(InputInvalid):
    """One request may carry 16 MiB of an upload."""

    code = "objects.request_too_long"
    title = "Too many bytes in one request"
    status = 413
    next_step = "Send at most 16 MiB a request and go on from the offset in the answer."


class FindIn(Schema):
    """The digests that somebody wants to use."""

    sha256s: Annotated[list[Sha256], Field(max_length=FIND_MAX)]


class ObjectOut(Schema):
    """One object of the organisation."""

    sha256: str
    size_bytes: int
    created_at: datetime


class FoundOut(Schema):
    """Which of the digests the organisation holds, and which it has to upload."""

    found: list[ObjectOut]
    missing: list[str]


class ObjectPageOut(Schema):
    """A page of objects, newest first."""

    items: list[ObjectOut]
    next_cursor: str | None


class StorageOut(Schema):
    """What the organisation uses of its quota, in bytes, open uploads included."""

    used_bytes: int
    quota_bytes: int


class UploadIn(Schema):
    """What is going to be uploaded."""

    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, le=SIZE_MAX)]


class UploadOut(Schema):
    """An upload as it stands; the next byte to send is number `offset`."""

    upload_id: str
    sha256: str
    size_bytes: int
    offset: int
    complete: bool
    expires_at: datetime


class LinkIn(Schema):
    """For how long a link is to work."""

    seconds: Annotated[int, Field(ge=1, le=LINK_S_MAX)]


class LinkOut(Schema):
    """A link, shown once: whoever has it may read this object until it expires."""

    token: str
    path: str
    expires_at: datetime


def _reads(request: HttpRequest) -> str:
    actor = get_actor(request)
    require(may(actor, roles=READERS, scope=Scope.READ))
    return actor.organisation_id


def _writes(request: HttpRequest) -> str:
    actor = get_actor(request)
    require(may(actor, roles=WRITERS, scope=Scope.RUN))
    return actor.organisation_id


@router.post("/objects/find", openapi_extra=allow(READERS, Scope.READ), response={200: FoundOut, **PROBLEMS})
def find_objects(request: HttpRequest, body: FindIn) -> object:
    """Say which objects the organisation holds already; their retention begins anew."""
    organisation_id = _reads(request)
    renew(organisation_id=organisation_id, sha256s=body.sha256s, now=utc_now())
    found = find_many(organisation_id=organisation_id, sha256s=body.sha256s)
    missing = [sha256 for sha256 in dict.fromkeys(body.sha256s) if sha256 not in found]
    return {"found": list(found.values()), "missing": missing}


@router.get("/objects", openapi_extra=allow(READERS, Scope.READ), response={200: ObjectPageOut, **PROBLEMS})
def list_own_objects(request: HttpRequest, cursor: str | None = None, limit: int = PAGE_LIMIT_DEFAULT) -> object:
    """List the organisation's objects, newest first."""
    _reads(request)
    return list_objects(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get("/storage", openapi_extra=allow(READERS, Scope.READ), response={200: StorageOut, **PROBLEMS})
def show_storage(request: HttpRequest) -> object:
    """Show how much the organisation stores and may store."""
    return get_storage_use(organisation_id=_reads(request))


@router.post("/uploads", openapi_extra=allow(WRITERS, Scope.RUN), response={200: UploadOut, **PROBLEMS})
def begin(request: HttpRequest, body: UploadIn) -> object:
    """Begin an upload, or find the one of this digest; `complete` says that there is nothing to send."""
    organisation_id = _writes(request)
    return begin_upload(organisation_id=organisation_id, sha256=body.sha256, size_bytes=body.size_bytes, now=utc_now())


@router.get("/uploads/{upload_id}", openapi_extra=allow(WRITERS, Scope.RUN), response={200: UploadOut, **PROBLEMS})
def show_upload(request: HttpRequest, upload_id: str) -> object:
    """Show an upload: where to go on after anything went wrong."""
    return _find_upload(request, upload_id)


@router.api_operation(
    ["HEAD"], "/uploads/{upload_id}", openapi_extra=allow(WRITERS, Scope.RUN), response={204: None, **PROBLEMS}
)
def probe_upload(request: HttpRequest, upload_id: str, response: HttpResponse) -> object:
    """Say in the headers Upload-Offset and Upload-Length where to go on."""
    upload = _find_upload(request, upload_id)
    response["Upload-Offset"], response["Upload-Length"] = str(upload.offset), str(upload.size_bytes)
    return Status(204, None)


@router.put(
    "/uploads/{upload_id}",
    openapi_extra=allow(WRITERS, Scope.RUN) | _BODY,
    response={200: UploadOut, **PROBLEMS},
)
def append(request: HttpRequest, upload_id: str, offset: Annotated[int, Query(ge=0, le=SIZE_MAX)]) -> object:
    """Add the raw bytes of the body, at most 16 MiB, at `offset`; with the last ones the object is there."""
    _find_upload(request, upload_id)
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise HttpError(400, "Send the body with a Content-Length.")
    if int(request.headers.get("Content-Length") or 0) > REQUEST_BYTES_MAX:
        raise RequestTooLong(facts={"limit": REQUEST_BYTES_MAX})
    append_upload(upload_id=upload_id, offset=offset, chunks=_read_body(request), now=utc_now())
    return _find_upload(request, upload_id)


@router.delete("/uploads/{upload_id}", openapi_extra=allow(WRITERS, Scope.RUN), response={204: None, **PROBLEMS})
def abandon(request: HttpRequest, upload_id: str) -> object:
    """Abandon an upload; what it counted against the quota is free again."""
    organisation_id = _writes(request)
    abandon_upload(organisation_id=organisation_id, upload_id=upload_id)
    return Status(204, None)


@router.get(
    "/objects/{sha256}",
    openapi_extra=allow(READERS, Scope.READ) | {"responses": _DOWNLOADS},
    response={416: ProblemOut, **PROBLEMS},
)
def download(request: HttpRequest, sha256: Sha256) -> object:
    """Send an object of the organisation, or the one range of it that the header Range asks for."""
    organisation_id = _reads(request)

    def open_part(offset: int, end: int | None) -> ObjectReader:
        return open_object(organisation_id=organisation_id, sha256=sha256, offset=offset, end=end)

    renew(organisation_id=organisation_id, sha256s=[sha256], now=utc_now())
    return _send(request, open_part)


@router.api_operation(
    ["HEAD"], "/objects/{sha256}", openapi_extra=allow(READERS, Scope.READ), response={200: None, **PROBLEMS}
)
def probe(request: HttpRequest, sha256: Sha256) -> object:
    """Say in the headers whether the object is there and how long it is."""
    organisation_id = _reads(request)
    reader = open_object(organisation_id=organisation_id, sha256=sha256)
    reader.chunks.close()
    return _describe(HttpResponse(), reader, length=reader.size_bytes)


@router.delete("/objects/{sha256}", openapi_extra=allow(WRITERS, Scope.RUN), response={204: None, **PROBLEMS})
def delete(request: HttpRequest, sha256: Sha256) -> object:
    """Delete an object of the organisation, with its links; refused while something needs it."""
    organisation_id = _writes(request)
    delete_object(organisation_id=organisation_id, sha256=sha256, now=utc_now())
    return Status(204, None)


@router.post("/objects/{sha256}/links", openapi_extra=allow(WRITERS, Scope.RUN), response={200: LinkOut, **PROBLEMS})
def link(request: HttpRequest, sha256: Sha256, body: LinkIn) -> object:
    """Make a link through which anyone may read this one object for a while."""
    organisation_id = _writes(request)
    made = make_link(organisation_id=organisation_id, sha256=sha256, seconds=body.seconds, now=utc_now())
    return {"token": made.token, "path": f"/api/v1/links/{made.token}", "expires_at": made.expires_at}


@router.delete("/objects/{sha256}/links", openapi_extra=allow(WRITERS, Scope.RUN), response={204: None, **PROBLEMS})
def revoke(request: HttpRequest, sha256: Sha256) -> object:
    """End all links to this object."""
    revoke_links(organisation_id=_writes(request), sha256=sha256)
    return Status(204, None)


@router.get(
    "/links/{token}",
    auth=None,
    openapi_extra=allow_public() | {"responses": _DOWNLOADS},
    response={416: ProblemOut, **PROBLEMS},
)
def follow_link(request: HttpRequest, token: str) -> object:
    """Send the object that a link points to, or a range of it."""
    now = utc_now()
    return _send(request, lambda offset, end: open_link(token=token, now=now, offset=offset, end=end))


def _find_upload(request: HttpRequest, upload_id: str) -> UploadView:
    _writes(request)
    return get_upload(actor=get_actor(request), upload_id=upload_id)


def _read_body(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK_BYTES):
        yield chunk


def _send(request: HttpRequest, open_part: Open) -> HttpResponse | StreamingHttpResponse:
    """Stream with bounded memory: whole, or the one range asked for."""
    reader = open_part(0, None)
    try:
        wanted = parse_range(request.headers.get("Range", ""), size_bytes=reader.size_bytes)
    except RangeUnsatisfiable as error:
        reader.chunks.close()
        refusal = respond_problem(request, error)
        refusal["Content-Range"] = f"bytes */{reader.size_bytes}"
        return refusal
    if wanted is None:
        return _describe(StreamingHttpResponse(reader.chunks), reader, length=reader.size_bytes)
    reader.chunks.close()
    reader = open_part(wanted.start, wanted.end)
    response = _describe(StreamingHttpResponse(reader.chunks, status=206), reader, length=wanted.end - wanted.start)
    response["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{reader.size_bytes}"
    return response


def _describe(
    response: HttpResponse | StreamingHttpResponse, reader: ObjectReader, *, length: int
) -> HttpResponse | StreamingHttpResponse:
    """Set the headers of a download. Members' bytes are never shown as a page of the hub's."""
    response["Content-Type"] = "application/octet-stream"
    response["Content-Disposition"] = "attachment"
    response["Content-Security-Policy"] = "sandbox"
    response["Referrer-Policy"] = "no-referrer"
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{reader.sha256}"'
    response["Cache-Control"] = "private, no-transform, max-age=31536000, immutable"
    response["Content-Length"] = str(length)
    return response
