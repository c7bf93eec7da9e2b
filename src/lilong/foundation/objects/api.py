"""Objects over HTTP: find, upload in pieces, download in ranges, delete, link."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, TypeAlias

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    IdInPath,
    LimitInQuery,
    RequestBody,
    Sha256,
)
from lilong.common.django.problems import PROBLEMS, ProblemOut, RequestMalformed, respond_problem
from lilong.common.django.routes import allow, allow_public, get_actor
from lilong.common.errors import InputInvalid
from lilong.common.permissions import Role, Scope
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.objects.core.ranges import RangeUnsatisfiable, parse_range
from lilong.foundation.objects.queries import (
    ObjectReader,
    find_many,
    get_storage_use,
    get_upload,
    list_objects,
    open_object,
)
from lilong.foundation.objects.services.links import LINK_S_MAX, make_link, open_link, revoke_links
from lilong.foundation.objects.services.references import delete_object, renew
from lilong.foundation.objects.services.uploads import abandon_upload, append_upload, begin_upload

router = Router(tags=["objects"])

REQUEST_BYTES_MAX = 16 * 1024**2
FIND_MAX = 1000
CHUNK_BYTES = 256 * 1024
SIZE_MAX = 2**50

WRITERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.MEMBER})
READ = allow(WRITERS | {Role.VIEWER}, Scope.READ)
WRITE = allow(WRITERS, Scope.RUN)

DigestInPath: TypeAlias = Annotated[Sha256, Path()]
OffsetInQuery: TypeAlias = Annotated[int, Query(ge=0, le=SIZE_MAX)]
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


class FindIn(RequestBody):
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


class UploadIn(RequestBody):
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


class LinkIn(RequestBody):
    """For how long a link is to work."""

    seconds: Annotated[int, Field(ge=1, le=LINK_S_MAX)]


class LinkOut(Schema):
    """A link, shown once: whoever has it may read this object until it expires."""

    token: str
    path: str
    expires_at: datetime


@router.post("/objects/find", response={200: FoundOut, **PROBLEMS}, openapi_extra=READ)
def find_objects(request: HttpRequest, body: FindIn) -> Status[object]:
    """Say which objects the organisation holds already; their retention begins anew."""
    organisation_id = get_actor(request).organisation_id
    renew(organisation_id=organisation_id, sha256s=body.sha256s, now=utc_now())
    found = find_many(organisation_id=organisation_id, sha256s=body.sha256s)
    missing = [sha256 for sha256 in dict.fromkeys(body.sha256s) if sha256 not in found]
    return Status(200, {"found": list(found.values()), "missing": missing})


@router.get("/objects", response={200: ObjectPageOut, **PROBLEMS}, openapi_extra=READ)
def list_own_objects(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List the organisation's objects, newest first."""
    return Status(200, list_objects(actor=get_actor(request), cursor=cursor, limit=limit))


@router.get("/storage", response={200: StorageOut, **PROBLEMS}, openapi_extra=READ)
def show_storage(request: HttpRequest) -> Status[object]:
    """Show how much the organisation stores and may store."""
    return Status(200, get_storage_use(organisation_id=get_actor(request).organisation_id))


@router.post("/uploads", response={200: UploadOut, 201: UploadOut, **PROBLEMS}, openapi_extra=WRITE)
def begin(request: HttpRequest, body: UploadIn) -> Status[object]:
    """Begin an upload, or find the one of this digest; 200 and `complete` say that there is nothing to send."""
    organisation_id = get_actor(request).organisation_id
    begun = begin_upload(organisation_id=organisation_id, sha256=body.sha256, size_bytes=body.size_bytes, now=utc_now())
    return Status(200 if begun.complete else 201, begun)


@router.get("/uploads/{upload_id}", response={200: UploadOut, **PROBLEMS}, openapi_extra=WRITE)
def show_upload(request: HttpRequest, upload_id: IdInPath) -> Status[object]:
    """Show an upload: where to go on after anything went wrong."""
    return Status(200, get_upload(actor=get_actor(request), upload_id=upload_id))


@router.api_operation(["HEAD"], "/uploads/{upload_id}", response={204: None, **PROBLEMS}, openapi_extra=WRITE)
def probe_upload(request: HttpRequest, upload_id: IdInPath, response: HttpResponse) -> Status[object]:
    """Say in the headers Upload-Offset and Upload-Length where to go on."""
    upload = get_upload(actor=get_actor(request), upload_id=upload_id)
    response["Upload-Offset"], response["Upload-Length"] = str(upload.offset), str(upload.size_bytes)
    return Status(204, None)


@router.put("/uploads/{upload_id}", response={200: UploadOut, **PROBLEMS}, openapi_extra=WRITE | _BODY)
def append(request: HttpRequest, upload_id: IdInPath, offset: OffsetInQuery) -> Status[object]:
    """Add the raw bytes of the body, at most 16 MiB, at `offset`; with the last ones the object is there."""
    upload = get_upload(actor=get_actor(request), upload_id=upload_id)
    length = request.headers.get("Content-Length") or "0"
    if "Transfer-Encoding" in request.headers or not length.isdecimal():
        raise RequestMalformed(detail=say("Send the body with a Content-Length, not in chunks."))
    if int(length) > REQUEST_BYTES_MAX:
        raise RequestTooLong(facts={"limit": REQUEST_BYTES_MAX})
    stored = append_upload(upload_id=upload_id, offset=offset, chunks=_read_body(request), now=utc_now())
    return Status(200, replace(upload, offset=stored, complete=stored == upload.size_bytes))


@router.delete("/uploads/{upload_id}", response={204: None, **PROBLEMS}, openapi_extra=WRITE)
def abandon(request: HttpRequest, upload_id: IdInPath) -> Status[object]:
    """Abandon an upload; what it counted against the quota is free again."""
    abandon_upload(organisation_id=get_actor(request).organisation_id, upload_id=upload_id)
    return Status(204, None)


@router.get("/objects/{sha256}", response={416: ProblemOut, **PROBLEMS}, openapi_extra=READ | {"responses": _DOWNLOADS})
def download(request: HttpRequest, sha256: DigestInPath) -> HttpResponse | StreamingHttpResponse:
    """Send an object of the organisation, or the one range of it that the header Range asks for."""
    organisation_id = get_actor(request).organisation_id
    renew(organisation_id=organisation_id, sha256s=[sha256], now=utc_now())

    def open_part(offset: int, end: int | None) -> ObjectReader:
        return open_object(organisation_id=organisation_id, sha256=sha256, offset=offset, end=end)

    return _send(request, open_part)


@router.api_operation(["HEAD"], "/objects/{sha256}", response={200: None, **PROBLEMS}, openapi_extra=READ)
def probe(request: HttpRequest, sha256: DigestInPath) -> HttpResponse | StreamingHttpResponse:
    """Say in the headers whether the object is there and how long it is."""
    reader = open_object(organisation_id=get_actor(request).organisation_id, sha256=sha256)
    reader.chunks.close()
    return _describe(HttpResponse(), reader, length=reader.size_bytes)


@router.delete("/objects/{sha256}", response={204: None, **PROBLEMS}, openapi_extra=WRITE)
def delete(request: HttpRequest, sha256: DigestInPath) -> Status[object]:
    """Delete an object of the organisation, with its links; refused while something needs it."""
    delete_object(organisation_id=get_actor(request).organisation_id, sha256=sha256, now=utc_now())
    return Status(204, None)


@router.post("/objects/{sha256}/links", response={201: LinkOut, **PROBLEMS}, openapi_extra=WRITE)
def link(request: HttpRequest, sha256: DigestInPath, body: LinkIn) -> Status[object]:
    """Make a link through which anyone may read this one object for a while."""
    organisation_id = get_actor(request).organisation_id
    made = make_link(organisation_id=organisation_id, sha256=sha256, seconds=body.seconds, now=utc_now())
    path = f"/api/v1/links/{made.token}"
    return Status(201, {"token": made.token, "path": path, "expires_at": made.expires_at})


@router.delete("/objects/{sha256}/links", response={204: None, **PROBLEMS}, openapi_extra=WRITE)
def revoke(request: HttpRequest, sha256: DigestInPath) -> Status[object]:
    """End all links to this object."""
    revoke_links(organisation_id=get_actor(request).organisation_id, sha256=sha256)
    return Status(204, None)


@router.get(
    "/links/{token}",
    response={416: ProblemOut, **PROBLEMS},
    openapi_extra=allow_public() | {"responses": _DOWNLOADS},
)
def follow_link(request: HttpRequest, token: IdInPath) -> HttpResponse | StreamingHttpResponse:
    """Send the object that a link points to, or a range of it."""
    now = utc_now()
    return _send(request, lambda offset, end: open_link(token=token, now=now, offset=offset, end=end))


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
