"""Turn what shims have written into states and meters. Pure: the files' contents in, what the port says out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lilong.agent.ends import ENDS, end_for
from lilong.agent.engines.port import Metered, NativeState
from lilong.common.time import parse_moment
from lilong.protocol.messages import AttemptState, Reason, SignedReport, Usage

_NOT_BY_ITSELF = {"peer_failed", "peer_lost", "peer_ended"}
_SIGNAL_BASE = 128
_PEERS_FATE = (0, 137)  # of a gang that lost a shim the others end well before, or are killed


@dataclass(frozen=True, slots=True)
class RankFacts:
    """What one rank's folder says; `alive` is whether the very process of shim.json still runs."""

    has_shim: bool
    alive: bool
    same_boot: bool
    running: bool
    usage: Mapping[str, object] | None
    end: Mapping[str, object] | None
    log_bytes: int


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What one attempt's folder says. `cancel` is the hub's order to stop, if there was one."""

    dispatched: bool
    sandboxed: bool
    node_names: tuple[str, ...]
    cancel: Mapping[str, object] | None
    ranks: tuple[RankFacts, ...]


def parse_state(facts: JobFacts) -> NativeState:
    """Return the state of a job. An end is told only when no rank is left."""
    log_bytes = {number: rank.log_bytes for number, rank in enumerate(facts.ranks)}
    if not facts.dispatched:
        return _parse_undispatched(facts)
    if all(rank.end is not None or (rank.has_shim and not rank.alive) for rank in facts.ranks):
        return _parse_end(facts, log_bytes=log_bytes)
    ends = [rank for rank in facts.ranks if rank.end is not None or (rank.has_shim and not rank.alive)]
    started = all(rank.running for rank in facts.ranks)
    stopping = facts.cancel is not None or any((rank.usage or {}).get("cause") for rank in facts.ranks) or bool(ends)
    state = AttemptState.STARTING
    if started:
        state = AttemptState.STOPPING if stopping else AttemptState.RUNNING
    return NativeState(state=state, started_at=_started_at(facts), nodes=facts.node_names, log_bytes=log_bytes)


def is_shim_lost(facts: JobFacts) -> bool:
    """Return whether a shim has vanished without writing the end of its rank."""
    return any(rank.has_shim and not rank.alive and rank.end is None for rank in facts.ranks)


def _parse_undispatched(facts: JobFacts) -> NativeState:
    if facts.cancel is None:
        return NativeState(state=AttemptState.QUEUED, reason=Reason.WAITING_FOR_CAPACITY)
    reason = _reason_of(str(facts.cancel.get("reason")))
    if reason is Reason.QUEUE_WAIT_EXCEEDED:  # the engine's own decision
        state, fault = ENDS[reason]
        return NativeState(state=state, reason=reason, fault=fault)
    state, fault = end_for(reason, asked_by_hub=True)
    return NativeState(state=state, reason=reason, fault=fault, detail="It was stopped before it started.")


def _parse_end(facts: JobFacts, *, log_bytes: Mapping[int, int]) -> NativeState:
    ends = [rank.end for rank in facts.ranks if rank.end is not None]
    ended_at = max((moment for moment in (_moment(end.get("ended_at")) for end in ends) if moment), default=None)
    lost = [number for number, rank in enumerate(facts.ranks) if rank.end is None]
    first = _first_cause(facts.ranks)
    code = _exit_code(first)
    if lost and (first is None or first.get("cause") in _NOT_BY_ITSELF or code in _PEERS_FATE):
        reason = Reason.SHIM_LOST if facts.ranks[lost[0]].same_boot else Reason.NODE_LOST
        detail, code = f"The shim of rank {lost[0]} ended without a word.", None
        ended_at = _last_sign_of_life(facts)
        state, fault = ENDS[reason]
    else:
        reason, detail = _explain(first, sandboxed=facts.sandboxed)
        by_hub = facts.cancel is not None and str((first or {}).get("cause")) == str(facts.cancel.get("reason"))
        state, fault = end_for(reason, asked_by_hub=by_hub)
        if reason is Reason.ISOLATION_MISSING:
            state = AttemptState.FAILED
    return NativeState(
        state=state,
        reason=reason,
        fault=fault,
        detail=detail[:1000],
        started_at=_started_at(facts),
        ended_at=ended_at,
        exit_code=code,
        nodes=facts.node_names,
        log_bytes=log_bytes,
    )


def _last_sign_of_life(facts: JobFacts) -> datetime | None:
    """Return the moment up to which time was metered."""
    started_at = _started_at(facts)
    if started_at is None:
        return None
    elapsed_ms = min(_count((rank.end or rank.usage or {}).get("elapsed_ms")) for rank in facts.ranks)
    return started_at + timedelta(milliseconds=elapsed_ms)


def _first_cause(ranks: Sequence[RankFacts]) -> Mapping[str, object] | None:
    """Return the end that decides: the first that failed by itself, then one a peer ended, else a success."""
    ends = [rank.end for rank in ranks if rank.end is not None]

    def order(end: Mapping[str, object]) -> tuple[int, str]:
        cause, by_peer = end.get("cause"), end.get("cause") in _NOT_BY_ITSELF
        failed = bool(cause) or end.get("exit_code") != 0
        return (0 if failed and not by_peer else 1 if by_peer else 2, str(end.get("ended_at")))

    return min(ends, key=order, default=None)


def _explain(end: Mapping[str, object] | None, *, sandboxed: bool) -> tuple[Reason, str]:
    if end is None:
        return Reason.SHIM_LOST, ""
    cause, detail, code = str(end.get("cause") or ""), str(end.get("detail") or ""), _exit_code(end)
    if cause == "launch_failed":
        reason = Reason.ISOLATION_MISSING if sandboxed else Reason.STAGING_FAILED
        return reason, f"The command could not be started: {detail}"
    if cause in _NOT_BY_ITSELF:
        return Reason.KILLED_BY_SIGNAL, "A rank went on alone after the others had ended, and was stopped."
    if cause:
        return _reason_of(cause), detail
    if code == 0:
        return Reason.COMPLETED, ""
    if code is not None and code > _SIGNAL_BASE:
        return Reason.KILLED_BY_SIGNAL, f"The command was ended by signal {code - _SIGNAL_BASE}."
    return Reason.EXIT_NONZERO, f"The command ended with exit code {code}."


def _reason_of(text: str) -> Reason:
    try:
        reason = Reason(text)
    except ValueError:
        return Reason.CANCELLED_BY_HUB
    return reason if reason in ENDS else Reason.CANCELLED_BY_HUB


def _exit_code(end: Mapping[str, object] | None) -> int | None:
    code = (end or {}).get("exit_code")
    if not isinstance(code, int):
        return None
    return code if code >= 0 else _SIGNAL_BASE - code


def _moment(text: object) -> datetime | None:
    return parse_moment(text) if isinstance(text, str) and text else None


def _started_at(facts: JobFacts) -> datetime | None:
    moments = [_moment((rank.end or rank.usage or {}).get("started_at")) for rank in facts.ranks]
    known = [moment for moment in moments if moment is not None]
    return max(known) if len(known) == len(facts.ranks) else None


def parse_usage(facts: JobFacts, *, authorised_ms: int, reports: Sequence[SignedReport]) -> Metered:
    """Return the time during which all ranks ran, and up to the newest checkpoint of any of them."""
    told = [rank.end or rank.usage or {} for rank in facts.ranks]
    metered_ms = min((_count(rank.get("elapsed_ms")) for rank in told), default=0)
    usable_ms = max((_count(rank.get("checkpoint_ms")) for rank in told), default=0)
    enforced_ms = max((_count((rank.usage or {}).get("authorised_ms")) for rank in facts.ranks), default=0)
    usage = Usage(
        metered_ms=metered_ms, usable_ms=min(usable_ms, metered_ms), authorised_ms=enforced_ms or authorised_ms
    )
    return Metered(usage=usage, reports=tuple(reports))


def parse_reports(content: bytes) -> list[SignedReport]:
    """Return the whole reports in a rank's reports.jsonl; what was cut off at the end is left out."""
    reports: list[SignedReport] = []
    for line in content.split(b"\n"):
        try:
            reports.append(SignedReport.model_validate_json(line))
        except ValueError:
            break
    return reports


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
