"""What follows for a run when an attempt has settled: another attempt, on which candidate, or the end."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.table import REASONS, explain_end
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import OnFault

NEVER_AGAIN = frozenset({Reason.SPEC_REFUSED, Reason.ISOLATION_MISSING})
COSTS_NO_TRY = Reason.QUEUE_WAIT_EXCEEDED


class RunState(StrEnum):
    """Where the intent to run stands: pending until work first runs, active, stopping, or one of four ends."""

    PENDING = "pending"
    ACTIVE = "active"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


OPEN_STATES = (RunState.PENDING, RunState.ACTIVE, RunState.STOPPING)


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt of the run as far as the next step depends on it. billable_ms is what it used of the authority."""

    candidate: int
    state: AttemptState
    reason: Reason | None
    fault: Fault | None
    detail: str
    has_run: bool
    settled: bool
    billable_ms: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run and all its attempts in order. candidates: pool ids in the order of the quote."""

    candidates: tuple[str, ...]
    tried: tuple[Tried, ...]
    authorised_ms: int
    max_attempts: int
    on_fault: OnFault
    stopped_at: datetime | None = None
    stop_reason: Reason | None = None

    @property
    def used_ms(self) -> int:
        """Authority that the attempts have used."""
        return sum(attempt.billable_ms for attempt in self.tried)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do: an attempt is alive, or its outputs are still on their way."""


@dataclass(frozen=True, slots=True)
class TryNext:
    """Make an attempt on this candidate (position in `candidates`); `used_ms` of the authority are gone."""

    candidate: int
    used_ms: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    state: RunState
    reason: Reason
    fault: Fault
    detail: str = ""


def decide_run(run: RunFacts, *, reachable: Container[str], policy: Policy) -> Wait | TryNext | Finish:
    """Return the next step of a run.

    Candidates are taken in order, starting anew after the last one; pools that are away or drained (not `reachable`)
    are passed over while another one is there. A refusal moves on without asking. A member's fault ends the run, any
    other fault is retried within the attempts that the spec allows, the preemptions that the hub allows, and the
    authority that is left. A full queue costs no try: however often every pool was waited for, the run goes on.

    >>> run = RunFacts(candidates=("a",), tried=(), authorised_ms=1, max_attempts=1, on_fault=OnFault.RETRY)
    >>> decide_run(run, reachable={"a"}, policy=Policy())
    TryNext(candidate=0, used_ms=0)
    """
    last = run.tried[-1] if run.tried else None
    if last is not None and not last.settled:
        return Wait()
    end = _find_end(run, last=last, policy=policy)
    if end is not None:
        return end
    order = _order_candidates(run, last=last, reachable=reachable)
    if not order:
        reason = (last and last.reason) or Reason.ENGINE_REFUSED
        detail = "No other pool may take it."
        return Finish(state=RunState.FAILED, reason=reason, fault=REASONS[reason].fault, detail=detail)
    return TryNext(candidate=order[0], used_ms=run.used_ms)


def list_other_candidates(run: RunFacts, *, reachable: Container[str]) -> tuple[str, ...]:
    """Return the reachable pools that could take the run instead of the one it is on now."""
    here = run.candidates[run.tried[-1].candidate] if run.tried else ""
    barred = _list_barred(run)
    return tuple(
        pool
        for position, pool in enumerate(run.candidates)
        if pool != here and pool in reachable and position not in barred
    )


def find_next_pool(run: RunFacts, *, reachable: Container[str]) -> str:
    """Return the pool that follows if the newest attempt is refused now; empty when it can only be asked again.

    >>> refused = Tried(0, AttemptState.QUEUED, None, None, "", has_run=False, settled=False, billable_ms=0)
    >>> run = RunFacts(("a", "b"), (refused,), authorised_ms=1, max_attempts=1, on_fault=OnFault.RETRY)
    >>> find_next_pool(run, reachable={"a", "b"})
    'b'
    """
    order = _order_candidates(run, last=run.tried[-1], reachable=reachable)
    here, following = run.candidates[run.tried[-1].candidate], run.candidates[order[0]] if order else ""
    return following if following != here else ""


def decide_queue_wait(run: RunFacts, *, reachable: Container[str], policy: Policy) -> int:
    """Return for how many seconds the newest attempt may stand in the queue of its pool.

    Where no other pool could take the run, leaving the queue would only lose the place in it. Each wait in vain in the
    queue of this pool, since the run's work was last seen running, doubles the next: a run that finds every queue full
    keeps its places longer and longer, and makes few attempts.
    """
    if not list_other_candidates(run, reachable=reachable):
        return policy.queue_wait_alone_s
    here, in_vain = run.candidates[run.tried[-1].candidate], 0
    for attempt in reversed(run.tried):
        if attempt.has_run:
            break
        in_vain += attempt.reason is COSTS_NO_TRY and run.candidates[attempt.candidate] == here
    return min(policy.queue_wait_s << in_vain, policy.queue_wait_alone_s)


def _find_end(run: RunFacts, *, last: Tried | None, policy: Policy) -> Finish | None:
    if last is not None and last.state is AttemptState.SUCCEEDED:
        return Finish(state=RunState.SUCCEEDED, reason=Reason.COMPLETED, fault=Fault.NOBODY)
    if run.stopped_at is not None:
        reason = run.stop_reason or Reason.CANCELLED_BY_HUB
        timed_out = REASONS[reason].ends[0] is AttemptState.TIMED_OUT
        state = RunState.TIMED_OUT if timed_out else RunState.CANCELLED
        return Finish(state=state, reason=reason, fault=REASONS[reason].fault)
    if last is None:
        return None
    if last.fault is Fault.MEMBER:
        return _fail(last)
    if last.state is not AttemptState.REJECTED and last.has_run and run.on_fault is OnFault.STOP:
        return _fail(last, detail="The spec says to stop after a fault.")
    if run.used_ms >= run.authorised_ms:
        return Finish(state=RunState.TIMED_OUT, reason=Reason.AUTHORITY_REACHED, fault=Fault.MEMBER)
    preemptions = sum(attempt.state is AttemptState.PREEMPTED for attempt in run.tried)
    if preemptions > policy.preemptions_max:
        return _fail(last, detail=f"It was preempted {preemptions} times.")
    tries = [attempt for attempt in run.tried if attempt.reason is not COSTS_NO_TRY]
    accepted = sum(attempt.state is not AttemptState.REJECTED for attempt in tries)
    if accepted >= run.max_attempts or len(tries) >= run.max_attempts + len(run.candidates):
        return _fail(last, detail=f"All {len(run.tried)} attempts ended without success.")
    return None


def _fail(last: Tried, *, detail: str = "") -> Finish:
    state = {AttemptState.TIMED_OUT: RunState.TIMED_OUT, AttemptState.CANCELLED: RunState.CANCELLED}.get(
        last.state, RunState.FAILED
    )
    reason = last.reason or explain_end(last.state, reason=None)
    fault = last.fault or REASONS[reason].fault
    return Finish(state=state, reason=reason, fault=fault, detail=" ".join(filter(None, (last.detail, detail))))


def _order_candidates(run: RunFacts, *, last: Tried | None, reachable: Container[str]) -> list[int]:
    """Return the candidates in the order in which they are tried now: those in reach first."""
    first = 0 if last is None else last.candidate + 1
    count = len(run.candidates)
    barred = _list_barred(run)
    order = [position for step in range(count) if (position := (first + step) % count) not in barred]
    return sorted(order, key=lambda position: run.candidates[position] not in reachable)


def _list_barred(run: RunFacts) -> frozenset[int]:
    """Return the candidates that would refuse this spec again."""
    return frozenset(attempt.candidate for attempt in run.tried if attempt.reason in NEVER_AGAIN)
