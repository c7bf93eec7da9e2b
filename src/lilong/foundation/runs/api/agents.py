"""Roads of agents under /agent/v1: join, rotate, sync, and bytes scoped to one attempt."""

import re
from collections.abc import Iterator
from typing import Annotated

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Path, Query, Router, Schema
from pydantic import ValidationError

from lilong.common.django.fields import IdInPath
from lilong.common.django.problems import PROBLEMS, RequestMalformed
from lilong.common.django.routes import allow_agent, allow_public, get_actor
from lilong.common.errors import FieldProblem, InputInvalid, NotSignedIn
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.runs.services.attempt_objects import find_offset, open_input, put_output
from lilong.foundation.runs.services.logs import append_log
from lilong.foundation.runs.services.pools import check_protocol, join, rotate
from lilong.foundation.runs.services.sync import sync
from lilong.protocol.messages import JoinRequest, JoinResponse, SyncRequest, SyncResponse
from lilong.protocol.spec import Frozen, Sha256

router = Router(tags=["agents"])

REQUEST_BYTES_MAX = 16 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
SIZE_MAX = 2**50
RANK_MAX = 2**31
FIELDS_MAX = 20

_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")


class SyncMalformed(InputInvalid):
    """The sync is not in the form of the protocol that it names."""

    code = "runs.sync_malformed"
    title = "This sync cannot be read"
    next_step = "Upgrade the agent; if it is current, report the fields named here."


class RequestTooLong(InputInvalid):
    """One request carries 16 MiB at most."""

    code = "runs.request_too_long"
    title = "Too many bytes in one request"
    status = 413
    next_step = "Send at most 16 MiB a request and go on from the offset in the answer."


class PoolTokenOut(Schema):
    """The pool's new token, shown once; the old one works until this one is first used."""

    pool_token: str


class LogSizeOut(Schema):
    """How much of the log the hub has."""

    size_bytes: int


class OffsetOut(Schema):
    """How much of the object the hub has."""

    offset: int


class _Version(Frozen):
    protocol_version: int


@router.post("/join", auth=None, openapi_extra=allow_public(), response={200: JoinResponse, **PROBLEMS})
def join_pool(request: HttpRequest, body: JoinRequest) -> object:
    """Trade a single-use join token for the token of its pool."""
    return join(request=body, now=utc_now())


@router.post("/rotate", openapi_extra=allow_agent(), response={200: PoolTokenOut, **PROBLEMS})
def rotate_token(request: HttpRequest) -> object:
    """Give the pool a new token."""
    return {"pool_token": rotate(pool_id=_get_pool_id(request), now=utc_now())}


@router.post("/sync", openapi_extra=allow_agent(), response={200: SyncResponse, **PROBLEMS})
def sync_pool(request: HttpRequest) -> HttpResponse:
    """Take in everything an agent observed, and answer what it is to do."""
    pool_id = _get_pool_id(request)
    answer = sync(pool_id=pool_id, request=_read_sync(_read_all(request)), now=utc_now())
    return HttpResponse(answer.model_dump_json(), content_type="application/json")


@router.put("/attempts/{attempt_id}/log/{rank}", openapi_extra=allow_agent(), response={200: LogSizeOut, **PROBLEMS})
def put_log(
    request: HttpRequest,
    attempt_id: IdInPath,
    rank: Annotated[int, Path(ge=0, le=RANK_MAX)],
    offset: Annotated[int, Query(ge=0, le=SIZE_MAX)],
) -> object:
    """Add raw bytes to the log of one rank."""
    content = _read_all(request)
    size = append_log(pool_id=_get_pool_id(request), attempt_id=attempt_id, rank=rank, offset=offset, content=content)
    return {"size_bytes": size}


@router.api_operation(
    ["HEAD"], "/attempts/{attempt_id}/objects/{sha256}", openapi_extra=allow_agent(), response={204: None, **PROBLEMS}
)
def probe_output(request: HttpRequest, attempt_id: IdInPath, sha256: Sha256) -> HttpResponse:
    """Say in the header Upload-Offset how much of an output the hub has; 404 when there is nothing yet."""
    found = find_offset(pool_id=_get_pool_id(request), attempt_id=attempt_id, sha256=sha256, now=utc_now())
    if found is None:
        return HttpResponse(status=404)
    response = HttpResponse(status=204)
    response["Upload-Offset"], response["Upload-Length"] = str(found[0]), str(found[1])
    return response


@router.put(
    "/attempts/{attempt_id}/objects/{sha256}", openapi_extra=allow_agent(), response={200: OffsetOut, **PROBLEMS}
)
def put_object(
    request: HttpRequest,
    attempt_id: IdInPath,
    sha256: Sha256,
    offset: Annotated[int, Query(ge=0, le=SIZE_MAX)],
    size: Annotated[int, Query(ge=0, le=SIZE_MAX)],
) -> object:
    """Add raw bytes to an output of the attempt."""
    pool_id = _get_pool_id(request)
    _check_length(request)
    stored = put_output(
        pool_id=pool_id,
        attempt_id=attempt_id,
        sha256=sha256,
        offset=offset,
        size_bytes=size,
        chunks=_read_chunks(request),
        now=utc_now(),
    )
    return {"offset": stored}


@router.get("/attempts/{attempt_id}/objects/{sha256}", openapi_extra=allow_agent(), response=PROBLEMS)
def get_object(request: HttpRequest, attempt_id: IdInPath, sha256: Sha256) -> StreamingHttpResponse:
    """Send an input of a live attempt, or the one range of it that the header Range asks for."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    start = int(match[1]) if match else 0
    end = int(match[2]) + 1 if match and match[2] else None
    reader = open_input(pool_id=_get_pool_id(request), attempt_id=attempt_id, sha256=sha256, offset=start, end=end)
    stop = reader.size_bytes if end is None else min(end, reader.size_bytes)
    start = min(start, stop)
    response = StreamingHttpResponse(
        reader.chunks, status=206 if match else 200, content_type="application/octet-stream"
    )
    response["Content-Length"] = str(stop - start)
    if match:
        response["Content-Range"] = f"bytes {start}-{stop - 1}/{reader.size_bytes}"
    return response


def _get_pool_id(request: HttpRequest) -> str:
    pool_id = get_actor(request).pool_id
    if not pool_id:
        raise NotSignedIn(detail=say("This road is for agents."))
    return pool_id


def _check_length(request: HttpRequest) -> None:
    length = request.headers.get("Content-Length") or "0"
    if "Transfer-Encoding" in request.headers or not length.isdecimal():
        raise RequestMalformed(detail=say("Send the body with a Content-Length, not in chunks."))
    if int(length) > REQUEST_BYTES_MAX:
        raise RequestTooLong(facts={"limit": REQUEST_BYTES_MAX})


def _read_chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK_BYTES):
        yield chunk


def _read_all(request: HttpRequest) -> bytes:
    _check_length(request)
    return b"".join(_read_chunks(request))


def _read_sync(content: bytes) -> SyncRequest:
    """Return the sync; one of a protocol that the hub does not speak is refused as that, whatever its form."""
    try:
        return SyncRequest.model_validate_json(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    try:
        version = _Version.model_validate_json(content).protocol_version
    except ValidationError as error:
        raise SyncMalformed from error
    check_protocol(version=version)
    raise SyncMalformed(
        fields=[
            FieldProblem(path=".".join(map(str, item["loc"])), code=f"input.{item['type']}", message=item["msg"])
            for item in problems[:FIELDS_MAX]
        ]
    )
