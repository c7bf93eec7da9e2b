"""Runs over HTTP: what became of them, their logs."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, IdInPath, LimitInQuery
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.core.waiting import StartBasis
from lilong.foundation.runs.queries.runs import get_run, get_spec, list_runs
from lilong.foundation.runs.services.logs import LOG_SLICE_MAX, read_log
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import RunSpec

router = Router(tags=["runs"])

SIZE_MAX = 2**50
_LOG = {
    "responses": {
        200: {
            "description": "Bytes of the log; go on from Log-Next until Log-Complete",
            "content": {"text/plain": {"schema": {"type": "string", "format": "binary"}}},
        }
    }
}


class ArtefactOut(Schema):
    """One file that a run made; its bytes are at `/objects/{sha256}`."""

    attempt_number: int
    path: str
    sha256: str
    size_bytes: int


class AttemptOut(Schema):
    """One try on one pool. Times are milliseconds; `final` says that nothing billed changes any more.

    `metered_ms` is the engine's word, `supported_ms` what the job's own signed reports support of it.
    `allocation_problem` says why the accelerators given are not those ordered.
    """

    id: str
    number: int
    pool_id: str
    state: AttemptState
    reason: Reason | None
    fault: Fault | None
    detail: str
    metered_ms: int
    billable_ms: int
    usable_ms: int
    meters_agree: bool
    supported_ms: int
    allocation_problem: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    node_names: tuple[str, ...]
    resumed: bool
    final: bool


class RunOut(Schema):
    """A run with all its attempts and artefacts; `waiting_reason` says why there is no progress.

    While it queues, `expected_start_basis` says whose estimate `expected_start_at` is: `scheduler`, or `unknown`
    without one.
    """

    id: str
    organisation_id: str
    person_id: str
    name: str
    spec_sha256: str
    state: RunState
    reason: Reason | None
    fault: Fault | None
    detail: str
    waiting_reason: str
    expected_start_at: datetime | None
    expected_start_basis: StartBasis | None
    authorised_ms: int
    metered_ms: int
    billable_ms: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: tuple[AttemptOut, ...]
    artefacts: tuple[ArtefactOut, ...]
    finished: bool


class RunPageOut(Schema):
    """A page of runs, newest first."""

    items: list[RunOut]
    next_cursor: str | None


@router.get("/runs", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: RunPageOut, **PROBLEMS})
def list_own_runs(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the organisation's runs, newest first."""
    return list_runs(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now())


@router.get("/runs/{run_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: RunOut, **PROBLEMS})
def show_run(request: HttpRequest, run_id: IdInPath) -> object:
    """Show a run: its state, why it waits, its attempts and what they made."""
    return get_run(actor=get_actor(request), run_id=run_id, now=utc_now())


@router.get("/runs/{run_id}/spec", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: RunSpec, **PROBLEMS})
def show_spec(request: HttpRequest, run_id: IdInPath) -> object:
    """Show the spec of a run; secrets stand in it by name only."""
    return get_spec(actor=get_actor(request), run_id=run_id)


@router.get("/runs/{run_id}/log", openapi_extra=allow(ALL_ROLES, Scope.READ) | _LOG, response=PROBLEMS)
def show_log(
    request: HttpRequest,
    run_id: IdInPath,
    *,
    rank: Annotated[int, Query(ge=0, le=2**31)] = 0,
    offset: Annotated[int, Query(ge=0, le=SIZE_MAX)] = 0,
    limit: Annotated[int, Query(ge=1, le=LOG_SLICE_MAX)] = LOG_SLICE_MAX,
    attempt: Annotated[int | None, Query(ge=1, le=2**31)] = None,
) -> HttpResponse:
    """Send bytes of a log from `offset`, of the newest attempt unless one is named; ask again from Log-Next."""
    part = read_log(
        actor=get_actor(request), run_id=run_id, attempt_number=attempt, rank=rank, offset=offset, limit=limit
    )
    response = HttpResponse(part.content, content_type="text/plain; charset=utf-8")
    response["Log-Attempt"] = str(part.attempt_number)
    response["Log-Size"] = str(part.size_bytes)
    response["Log-Next"] = str(part.offset + len(part.content))
    response["Log-Complete"] = str(part.complete).lower()
    response["Cache-Control"] = "no-store"
    return response
