"""Reads of runs: what became of them, why they wait, what they used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import OPEN_STATES, RunState, find_next_pool
from lilong.foundation.runs.core.waiting import (
    ExpectedStart,
    PoolStanding,
    StartBasis,
    Waiting,
    explain_queue_refusal,
    explain_wait,
    find_expected_start,
)
from lilong.foundation.runs.models import Artefact, Attempt, Run
from lilong.foundation.runs.queries.rows import (
    bill_attempt,
    list_reachable,
    order_candidates,
    read_maintenance,
    read_run,
)
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import RunSpec
from lilong.protocol.waits import Wait, join_waits


class RunMissing(NotFound):
    """There is no such run, or it belongs to somebody else."""

    code = "runs.run_missing"
    title = "There is no such run"
    next_step = "List your runs with `lilong runs`."


@dataclass(frozen=True, slots=True)
class ArtefactView:
    """One file that a run made and the hub keeps."""

    attempt_number: int
    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try on one pool. ref: the candidate's, as it was handed in. final: nothing billed will change any more.

    meters_agree: the engine claims no more than the job's own signed reports support, within the tolerance.
    waited: how long it was in a queue in vain, and what came next; said: all else that is known of its end.
    """

    id: str
    number: int
    pool_id: str
    pool_name: str
    ref: str
    state: AttemptState
    reason: Reason | None
    fault: Fault | None
    waited: Wait | None
    said: str
    metered_ms: int
    billable_ms: int
    usable_ms: int
    meters_agree: bool
    supported_ms: int
    longest_ms: int
    allocation_problem: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    node_names: tuple[str, ...]
    resumed: bool
    final: bool

    @property
    def detail(self) -> str:
        """What is known of its end, in English."""
        waited = self.waited.text if self.waited else ""
        return f"{waited[0].upper()}{waited[1:]}. {self.said}".strip() if waited else self.said


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with all its attempts. finished: its last attempt has settled and no other will follow.

    expected_start_basis: None for a run that stands in no queue; without one there is no expected_start_at.
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
    waits: tuple[Wait, ...]
    expected_start_at: datetime | None
    expected_start_basis: StartBasis | None
    authorised_ms: int
    metered_ms: int
    billable_ms: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: tuple[AttemptView, ...]
    artefacts: tuple[ArtefactView, ...]
    finished: bool

    @property
    def waiting_reason(self) -> str:
        """Why there is no progress, in English; empty where there is some."""
        return join_waits(self.waits)


def get_runs(*, run_ids: Sequence[str], now: datetime) -> dict[str, RunView]:
    """Return the runs that exist, by id. Four queries, however many they are."""
    return {run.id: _view_run(run, now=now) for run in _with_all(Run.objects.filter(id__in=set(run_ids)))}


def get_run(*, actor: Actor, run_id: str, now: datetime) -> RunView:
    """Return a run that the actor can see; raises RunMissing."""
    return _view_run(find_own_run(actor=actor, run_id=run_id), now=now)


def get_spec(*, actor: Actor, run_id: str) -> RunSpec:
    """Return the spec of a run that the actor can see; raises RunMissing."""
    return RunSpec.model_validate(find_own_run(actor=actor, run_id=run_id).spec)


def list_runs(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[RunView]:
    """Return a page of the runs that the actor can see, newest first."""
    page = page_newest_first(_with_all(Run.objects.visible_to(actor)), cursor=cursor, limit=limit)
    return Page(items=[_view_run(run, now=now) for run in page.items], next_cursor=page.next_cursor)


def find_own_run(*, actor: Actor, run_id: str) -> Run:
    """Return the row of a run that the actor can see, with all that a view needs; raises RunMissing."""
    run = _with_all(Run.objects.visible_to(actor).filter(id=run_id)).first()
    if run is None:
        raise RunMissing
    return run


def _with_all(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Load attempts, artefacts and candidates with the runs: four queries, whatever their number."""
    attempts = Attempt.objects.select_related("candidate", "pool", "meter").defer("pool__inventory").order_by("number")
    artefacts = Prefetch("artefacts", queryset=Artefact.objects.order_by("path"))
    mine = Prefetch("attempts", queryset=attempts.prefetch_related(artefacts))
    return runs.prefetch_related(mine, Prefetch("candidates", queryset=order_candidates()))


def _view_run(run: Run, *, now: datetime) -> RunView:
    rows = list(run.attempts.all())
    next_pools = [*(row.pool.name for row in rows[1:]), ""]
    attempts = tuple(_view_attempt(row, run=run, next_pool=name) for row, name in zip(rows, next_pools, strict=False))
    is_open = run.state in OPEN_STATES
    waits, expected_start = _explain_wait(run, rows, now=now) if is_open else ((), None)
    return RunView(
        id=run.id,
        organisation_id=run.organisation_id,
        person_id=run.person_id,
        name=run.name,
        spec_sha256=run.spec_sha256,
        state=RunState(run.state),
        reason=Reason(run.reason) if run.reason else None,
        fault=Fault(run.fault) if run.fault else None,
        detail=run.detail,
        waits=waits,
        expected_start_at=expected_start.at if expected_start else None,
        expected_start_basis=expected_start.basis if expected_start else None,
        authorised_ms=run.authorised_ms,
        metered_ms=sum(attempt.metered_ms for attempt in attempts),
        billable_ms=sum(attempt.billable_ms for attempt in attempts),
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        attempts=attempts,
        artefacts=tuple(_list_artefacts(rows)),
        finished=not is_open,
    )


def _view_attempt(row: Attempt, *, run: Run, next_pool: str) -> AttemptView:
    bill = bill_attempt(row=row, run=run)
    return AttemptView(
        id=row.id,
        number=row.number,
        pool_id=row.pool_id,
        pool_name=row.pool.name,
        ref=row.candidate.ref,
        state=AttemptState(row.state),
        reason=Reason(row.reason) if row.reason else None,
        fault=Fault(row.fault) if row.fault else None,
        waited=_explain_queue_refusal(row, next_pool=next_pool),
        said=row.detail,
        metered_ms=row.meter.metered_ms,
        billable_ms=bill.billable_ms,
        usable_ms=bill.usable_ms,
        meters_agree=bill.meters_agree,
        supported_ms=bill.supported_ms,
        longest_ms=bill.longest_ms,
        allocation_problem=row.allocation_problem,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        exit_code=row.exit_code,
        node_names=tuple(row.node_names),
        resumed=bool(row.start_checkpoint_sha256),
        final=row.settled_at is not None,
    )


def _explain_queue_refusal(row: Attempt, *, next_pool: str) -> Wait | None:
    if row.reason != Reason.QUEUE_WAIT_EXCEEDED:
        return None
    return explain_queue_refusal(pool=row.pool.name, queue_wait_s=row.queue_wait_s, next_pool=next_pool)


def _list_artefacts(rows: Iterable[Attempt]) -> list[ArtefactView]:
    return [
        ArtefactView(
            attempt_number=row.number, path=artefact.path, sha256=artefact.sha256, size_bytes=artefact.size_bytes
        )
        for row in rows
        for artefact in row.artefacts.all()
    ]


def _explain_wait(run: Run, rows: Sequence[Attempt], *, now: datetime) -> tuple[tuple[Wait, ...], ExpectedStart | None]:
    last = rows[-1]
    pool = last.pool
    standing = PoolStanding(
        name=pool.name,
        last_sync_at=pool.last_sync_at,
        draining=pool.draining_at is not None,
        maintenance=read_maintenance(pool=pool),
    )
    waiting = Waiting(
        state=AttemptState(last.state),
        reason=Reason(last.reason) if last.reason else None,
        detail=last.detail,
        settled=last.settled_at is not None,
        stopping=run.stopped_at is not None,
        staging_done_bytes=last.meter.staging_done_bytes,
        staging_total_bytes=last.meter.staging_total_bytes,
        walltime_s=last.walltime_s,
        queue_wait_s=last.queue_wait_s,
        next_pool=_find_next_pool(run, now=now) if last.state == AttemptState.QUEUED else "",
        refused=_explain_queue_refusal(rows[-2], next_pool="") if len(rows) > 1 else None,
        expected_start_at=last.meter.expected_start_at,
    )
    why = explain_wait(waiting, pool=standing, now=now, policy=POLICY)
    return why, find_expected_start(waiting, pool=standing, now=now, policy=POLICY)


def _find_next_pool(run: Run, *, now: datetime) -> str:
    """Return the name of the pool that takes the run if its queue stays full; empty when there is no other."""
    pool_id = find_next_pool(read_run(run=run), reachable=list_reachable(run=run, now=now))
    return next((each.pool.name for each in run.candidates.all() if each.pool_id == pool_id), "")
