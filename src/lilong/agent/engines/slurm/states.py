"""Decide from the queue, accounting and the wrappers' files where an attempt stands. Pure: facts in, one answer out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from lilong.agent.ends import end_for
from lilong.agent.engines.port import NativeState
from lilong.agent.engines.rank.parsing import JobFacts, parse_state, parse_usage
from lilong.agent.engines.slurm.parsing import AccountedJob, QueueRow, Segment
from lilong.agent.engines.slurm.reasons import explain_reason
from lilong.protocol.messages import AttemptState, Reason

_WAITS = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
_STARTS = frozenset({"CONFIGURING", "POWER_UP_NODE"})
_RUNS = frozenset({"RUNNING", "RESIZING", "SIGNALING"})
_RESTS = frozenset({"SUSPENDED", "STOPPED"})
_STOPS = frozenset({"COMPLETING", "STAGE_OUT"})
_ENDS: Mapping[str, tuple[Reason, str]] = MappingProxyType(
    {
        "NODE_FAIL": (Reason.NODE_LOST, "A node failed under it."),
        "BOOT_FAIL": (Reason.NODE_LOST, "A node could not be booted for it."),
        "PREEMPTED": (Reason.PREEMPTED_BY_PROVIDER, "The cluster took its place for other work."),
        "REQUEUED": (Reason.PREEMPTED_BY_PROVIDER, "The cluster put it back into the queue."),
        "TIMEOUT": (Reason.WALLTIME_REACHED, "The cluster ended it at its time limit."),
        "DEADLINE": (Reason.WALLTIME_REACHED, "The cluster ended it at its deadline."),
        "OUT_OF_MEMORY": (Reason.MEMORY_EXCEEDED, "It used more memory than it asked for."),
        "CANCELLED": (Reason.PREEMPTED_BY_PROVIDER, "It was cancelled on the cluster."),
        "FAILED": (Reason.SHIM_LOST, "The job failed, and its wrapper did not say how."),
        "COMPLETED": (Reason.SHIM_LOST, "The job ended, and its wrapper did not say how."),
        "LAUNCH_FAILED": (Reason.SHIM_LOST, "The cluster could not start it."),
        "RECONFIG_FAIL": (Reason.NODE_LOST, "A node could not be prepared for it."),
    }
)
_TAKES = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"})  # the cluster took the nodes, whatever we ordered
_MAY_START_AGAIN = frozenset({"REQUEUED", "PREEMPTED", "NODE_FAIL"})  # accounting forgets a job that waits again
_FORGOTTEN = (Reason.NODE_LOST, "Queue and accounting of the cluster know it no more.")
_SIGNALLED = "Its wrapper was ended by a signal that the cluster has not sent."
_KILLED, _TERMINATED = 137, 143  # 128 and the signal, as the wrapper tells it
_SKEW = timedelta(seconds=30)  # between the clocks of controller and nodes; a requeued job waits for two minutes


def is_over(word: str) -> bool:
    """Return whether this state of Slurm is an end, as far as the queue knows."""
    return word in _ENDS and word not in _WAITS


def is_waiting(word: str) -> bool:
    """Return whether a job in this state of Slurm is in the queue and on no node."""
    return word in _WAITS


def is_live(word: str) -> bool:
    """Return whether a job in this state of Slurm still has to be cancelled if it is not wanted."""
    return word in _WAITS or word in _STARTS or word in _RUNS or word in _RESTS


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an attempt stands; None: nothing certain can be said now, which is no end.

    cancel_native: the attempt has ended, but Slurm may start its job once more; the caller has to cancel that.
    """

    state: NativeState | None
    cancel_native: bool = False


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How Slurm says that the job ended."""

    word: str
    uid: int
    cancelled_by: int | None
    exit_text: str
    exit_signal: int
    started_at: datetime | None
    ended_at: datetime | None
    nodes: tuple[str, ...]


def decide_state(
    *,
    native: QueueRow | None,
    accounting: AccountedJob | None,
    wrapper: JobFacts,
    begun: bool,
    memory_killed: bool = False,
    settled: bool = True,
    accounted: bool = True,
    forgotten: bool = False,
) -> Decision:
    """Return where the attempt stands. An end is told only when Slurm confirms it.

    How it ended is the wrapper's word; Slurm's where the wrapper left none, and only when it is `settled`: the end is
    known for so long that no word of the wrapper can still be on its way. accounted: the same of accounting, which
    alone knows who cancelled a job. wrapper: read after Slurm was asked; `alive` does not matter, and `cancel` is our
    order to stop. begun: whether a rank had its shim.json before Slurm was asked, so that a job that waits now was put
    back. memory_killed: Slurm has said on the job's standard error that it ended it for its memory, which no state
    shows where no cgroup binds. forgotten: whole answers have missed the job for so long that accounting, which may
    lag behind, would know its end.
    """
    segments = list(accounting.segments) if accounting else []
    own = find_own_segment(segments=segments, began_at=parse_state(_as_live(wrapper)).started_at)
    if begun and native is not None and native.state in _WAITS:
        told = _find_own_end(wrapper)
        if told is None:
            return Decision(_tell_requeued(wrapper, own), cancel_native=True)
        # For how long it ran, Slurm tells once it is cancelled.
        stopping = NativeState(state=AttemptState.STOPPING, started_at=told.started_at, log_bytes=told.log_bytes)
        return Decision(stopping, cancel_native=True)
    if begun and own is not None and own is not segments[-1] and own.state in _ENDS:
        lives = native.state not in _ENDS if native else segments[-1].state not in _ENDS
        return Decision(_tell_requeued(wrapper, own), cancel_native=lives)
    if native is not None and native.state not in _ENDS:
        return Decision(_tell_live(native, wrapper))
    segment = own if begun else segments[-1] if segments else None
    ended: QueueRow | Segment | None = native
    if native is None and segment is not None and segment.state in _ENDS and (begun or segment.state != "REQUEUED"):
        ended = segment
    if ended is not None:
        verdict = _judge(ended, segment)
        if memory_killed and verdict.word in {"FAILED", "CANCELLED"}:
            verdict = replace(verdict, word="OUT_OF_MEMORY")
        accounted = accounted or (segment is not None and segment.state in _ENDS and segment.ended_at is not None)
        state = _tell_end(verdict, wrapper, settled=settled, accounted=accounted)
        comes_back = native is None and state.fault is not None and ended.state in _MAY_START_AGAIN
        return Decision(state, cancel_native=comes_back)
    if forgotten and wrapper.ranks and all(rank.end is not None for rank in wrapper.ranks):
        return Decision(parse_state(_as_ended(wrapper)))
    return Decision(_tell_last_sign(wrapper, segment, *_FORGOTTEN) if forgotten else None)


def find_own_segment(*, segments: Sequence[Segment], began_at: datetime | None) -> Segment | None:
    """Return the segment that ran our wrapper: the last that had started when all ranks began, else the first started.

    Time is metered of this one alone: a job that the cluster starts again is another attempt, and not ours.
    """
    started = [segment for segment in segments if segment.started_at is not None and segment.nodes]
    if began_at is not None:
        before = [one for one in started if one.started_at is not None and one.started_at <= began_at + _SKEW]
        return before[-1] if before else next(iter(started), None)
    return next(iter(started), None)


def meter_accounting(
    *, segments: Sequence[Segment], began_at: datetime | None = None, ended_at: datetime | None = None
) -> int | None:
    """Return the milliseconds of our own segment without suspensions, None while accounting knows no end of it.

    Both versions count elapsed time up to their answer, by the cluster's clock alone. began_at: since when all ranks of
    the wrapper run, where that is known. ended_at: of an attempt of whose end accounting will never know, because its
    controller has forgotten it: accounting counts on, and nothing after this.
    """
    own = find_own_segment(segments=segments, began_at=began_at)
    if own is None:
        return None
    if own.ended_at is not None:
        return own.elapsed_s * 1000
    if own.started_at is None or ended_at is None:
        return None
    return min(own.elapsed_s * 1000, max(0, int((ended_at - own.started_at).total_seconds() * 1000)))


def meter_queue(*, row: QueueRow, called_at: datetime) -> int:
    """Return the milliseconds that squeue shows of a job that was submitted, by this machine's clock, at `called_at`.

    Of a job that runs, squeue subtracts the controller's time from this machine's: where our clock is ahead, that is
    too much by as much as we seem to have called after the controller had the job.
    """
    if row.state in _WAITS:
        return 0
    ahead_s = 0
    if row.state not in _ENDS and row.submitted_at is not None:
        ahead_s = max(0, int(called_at.timestamp()) - int(row.submitted_at.timestamp()))
    return max(0, row.elapsed_s - ahead_s) * 1000


def _as_live(wrapper: JobFacts) -> JobFacts:
    return replace(wrapper, dispatched=True, ranks=tuple(replace(rank, alive=True) for rank in wrapper.ranks))


def _as_ended(wrapper: JobFacts) -> JobFacts:
    ranks = tuple(replace(rank, has_shim=True, alive=False, same_boot=True) for rank in wrapper.ranks)
    return replace(wrapper, dispatched=True, ranks=ranks)


def _tell_live(native: QueueRow, wrapper: JobFacts) -> NativeState | None:
    log_bytes = {number: rank.log_bytes for number, rank in enumerate(wrapper.ranks)}
    if native.state in _WAITS:
        detail = explain_reason(reason=native.reason)
        return NativeState(state=AttemptState.QUEUED, reason=Reason.WAITING_FOR_CAPACITY, detail=detail)
    told = parse_state(_as_live(wrapper))
    ended = bool(wrapper.ranks) and all(rank.end is not None for rank in wrapper.ranks)
    if native.state in _RESTS:
        state = AttemptState.SUSPENDED
    elif native.state in _STOPS or (ended and native.state in _RUNS):
        state = AttemptState.STOPPING
    elif native.state in _STARTS:
        state = AttemptState.STARTING
    elif native.state in _RUNS:
        state = told.state
    else:
        return None
    nodes = wrapper.node_names or native.nodes
    return NativeState(state=state, started_at=told.started_at, nodes=nodes, log_bytes=log_bytes)


def _judge(told: QueueRow | Segment, segment: Segment | None) -> _Verdict:
    """Return what the queue or accounting says of the end, with what only accounting knows."""
    return _Verdict(
        word=told.state,
        uid=told.uid,
        cancelled_by=segment.cancelled_by if segment else None,
        exit_text=_tell_exit(segment),
        exit_signal=segment.exit_signal if segment else 0,
        started_at=told.started_at if told.nodes else None,
        ended_at=told.ended_at,
        nodes=told.nodes,
    )


def _tell_exit(segment: Segment | None) -> str:
    if segment is None or not (segment.exit_code or segment.exit_signal):
        return ""
    return f" (exit code {segment.exit_code}, signal {segment.exit_signal})"


def _tell_end(verdict: _Verdict, wrapper: JobFacts, *, settled: bool, accounted: bool) -> NativeState:
    is_silent = any(rank.end is None for rank in wrapper.ranks)
    is_unexplained = verdict.word == "CANCELLED" and wrapper.cancel is None
    if verdict.started_at is not None and ((is_silent and not settled) or (is_unexplained and not accounted)):
        state = NativeState(state=AttemptState.STOPPING)
    else:
        word = _find_word(verdict, wrapper)
        state = word or _tell_verdict(verdict, wrapper)
        state = replace(state, ended_at=state.ended_at or verdict.ended_at)
    return replace(
        state,
        started_at=parse_state(_as_live(wrapper)).started_at or verdict.started_at,
        nodes=wrapper.node_names or verdict.nodes,
        log_bytes={number: rank.log_bytes for number, rank in enumerate(wrapper.ranks)},
    )


def _find_word(verdict: _Verdict, wrapper: JobFacts) -> NativeState | None:
    """Return how the wrappers say that the attempt ended; ranks that say nothing cannot have succeeded."""
    told = parse_state(_as_ended(wrapper))
    silent = any(rank.end is None for rank in wrapper.ranks)
    if told.reason in {Reason.SHIM_LOST, Reason.NODE_LOST} or (silent and told.reason is Reason.COMPLETED):
        return None
    return _refine(told, verdict, wrapper)


def _refine(told: NativeState, verdict: _Verdict, wrapper: JobFacts) -> NativeState:
    """Let Slurm explain what the wrapper saw as a bare signal: SIGTERM from the cluster, SIGKILL for want of memory.

    Slurm signals the command as well as its wrapper, which may not have heard of it when the command ended.
    A single wrapper that may be reached by its own job was sent SIGTERM by it where the cluster did nothing; to a gang
    a cluster with GraceTime says that it wants the nodes back, and nobody can tell that from the end.
    """
    is_killed = _is_killed(told)
    if (is_killed or told.reason is Reason.PREEMPTED_BY_PROVIDER) and verdict.word == "OUT_OF_MEMORY":
        return _end(Reason.MEMORY_EXCEEDED, detail=_ENDS["OUT_OF_MEMORY"][1], like=told)
    if told.reason is not Reason.PREEMPTED_BY_PROVIDER and not is_killed:
        return told
    by_itself = is_killed and verdict.word in {"COMPLETED", "FAILED"}
    if wrapper.cancel is not None and verdict.word not in _TAKES and not by_itself:
        return replace(_tell_order(wrapper), detail="", exit_code=told.exit_code, ended_at=told.ended_at)
    if verdict.word in {*_TAKES, "CANCELLED"}:
        return replace(_tell_verdict(verdict, wrapper), exit_code=told.exit_code, ended_at=told.ended_at)
    if verdict.word == "TIMEOUT":  # the wrapper ends the job at the walltime, so that this came before it
        detail = "The cluster's time limit came before the walltime."
        return _end(Reason.PREEMPTED_BY_PROVIDER, detail=detail, like=told)
    if not is_killed and verdict.word in {"COMPLETED", "FAILED"} and _reaches_its_wrapper(wrapper):
        return _end(Reason.KILLED_BY_SIGNAL, detail=_SIGNALLED, like=told)
    return told


def _is_killed(told: NativeState) -> bool:
    """Return whether the command ended of a signal that a cluster sends to all processes of a job."""
    return told.reason is Reason.KILLED_BY_SIGNAL and told.exit_code in {_KILLED, _TERMINATED}


def _tell_order(wrapper: JobFacts) -> NativeState:
    """Return the end of a job that had not started when we ordered it to stop."""
    return parse_state(replace(wrapper, dispatched=False))


def _tell_verdict(verdict: _Verdict, wrapper: JobFacts) -> NativeState:
    if verdict.word == "CANCELLED" and wrapper.cancel is not None:
        order = _tell_order(wrapper)
        return replace(order, detail="" if verdict.started_at else order.detail)
    reason, detail = _ENDS[verdict.word]
    if verdict.word == "CANCELLED" and verdict.cancelled_by is not None:
        detail = f"It was cancelled on the cluster by uid {verdict.cancelled_by}."
        if verdict.cancelled_by == verdict.uid:
            reason, detail = Reason.CANCELLED_BY_MEMBER, "It was cancelled on the cluster by its own user."
    elif verdict.word == "FAILED" and verdict.exit_signal and _reaches_its_wrapper(wrapper):
        reason, detail = Reason.KILLED_BY_SIGNAL, _SIGNALLED
    if reason is Reason.SHIM_LOST:
        detail = detail[:-1] + verdict.exit_text + "."
    return _end(reason, detail=detail)


def _reaches_its_wrapper(wrapper: JobFacts) -> bool:
    return len(wrapper.ranks) == 1 and not wrapper.sandboxed


def _end(reason: Reason, *, detail: str, like: NativeState | None = None) -> NativeState:
    state, fault = end_for(reason, asked_by_hub=False)
    if like is None:
        return NativeState(state=state, reason=reason, fault=fault, detail=detail)
    return replace(like, state=state, reason=reason, fault=fault, detail=detail)


def _tell_requeued(wrapper: JobFacts, own: Segment | None) -> NativeState:
    """Return the end of an attempt that the cluster would start again."""
    told = _find_own_end(wrapper)
    if told is not None:
        return replace(told, nodes=own.nodes if own else ())
    return _tell_last_sign(wrapper, own, *_ENDS["REQUEUED"])


def _find_own_end(wrapper: JobFacts) -> NativeState | None:
    """Return how a job ended by itself, None where it did not: a controller that died may start such a job again."""
    told = parse_state(_as_ended(wrapper))
    has_word = bool(wrapper.ranks) and all(rank.end is not None for rank in wrapper.ranks)
    is_taken = told.reason is Reason.PREEMPTED_BY_PROVIDER or _is_killed(told)
    return told if has_word and not is_taken else None


def _tell_last_sign(wrapper: JobFacts, own: Segment | None, reason: Reason, detail: str) -> NativeState:
    """Return an end at the last sign of life."""
    told = parse_state(_as_live(wrapper))
    usage = parse_usage(wrapper, authorised_ms=0, reports=()).usage
    last = told.started_at + timedelta(milliseconds=usage.metered_ms) if told.started_at else None
    return replace(
        _end(reason, detail=detail),
        started_at=told.started_at or (own.started_at if own else None),
        ended_at=last or (own.ended_at if own else None),
        nodes=wrapper.node_names or (own.nodes if own else ()),
        log_bytes={number: rank.log_bytes for number, rank in enumerate(wrapper.ranks)},
    )
