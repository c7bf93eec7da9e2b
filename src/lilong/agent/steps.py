"""What an attempt needs next, and what is told of it: pure functions over the facts in its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lilong.agent.accepted import Accepted
from lilong.agent.engines.port import Metered, NativeState
from lilong.agent.outputs import Outputs
from lilong.protocol.messages import (
    REPORTS_PER_OBSERVATION_MAX,
    Allocation,
    AttemptState,
    Fault,
    Observation,
    Reason,
    SignedReport,
    Usage,
)
from lilong.protocol.spec import Frozen


class Step(StrEnum):
    """What to do next with an attempt."""

    STAGE = "stage"
    SUBMIT = "submit"
    WATCH = "watch"
    END_UNSTARTED = "end_unstarted"
    COLLECT = "collect"
    UPLOAD = "upload"
    REST = "rest"


class Ended(Frozen):
    """ended.json: how an attempt ended, for good."""

    state: AttemptState
    reason: Reason
    fault: Fault
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    nodes: tuple[str, ...] = ()
    allocated: tuple[Allocation, ...] = ()
    usage: Usage = Usage()
    log_bytes: dict[int, int] = {}  # noqa: RUF012 - pydantic copies defaults


@dataclass(frozen=True, slots=True)
class StepFacts:
    """Which facts stand in an attempt's folder, and whether the engine says that the job has ended."""

    cancelled: bool
    staged: bool
    submitted: bool
    native_ended: bool
    ended: bool
    complete: bool


def next_step(facts: StepFacts) -> Step:
    """Return what to do next; the same facts give the same step, so a step that was cut off is done again.

    >>> next_step(StepFacts(False, True, False, False, False, False))
    <Step.SUBMIT: 'submit'>
    """
    if facts.complete:
        return Step.REST
    if facts.ended:
        return Step.UPLOAD
    if facts.submitted:
        return Step.COLLECT if facts.native_ended else Step.WATCH
    if facts.cancelled:
        return Step.END_UNSTARTED
    return Step.SUBMIT if facts.staged else Step.STAGE


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of an attempt at one moment. `native` is what the engine said last, if it ever did."""

    accepted: Accepted
    native_ref: str
    native: NativeState | None
    metered: Metered | None
    ended: Ended | None
    outputs: Outputs | None
    complete: bool
    staging_done_bytes: int = 0
    staging_total_bytes: int = 0
    note: str = ""


def build_observation(known: Known, *, wanted: Mapping[int, int], now: datetime) -> Observation:
    """Return what the hub is told now. An end is told once its outputs were found, never before.

    wanted: by rank, the sequence of the first report that the hub lacks.
    """
    reports = known.metered.reports if known.metered else ()
    counts = _count_reports(reports)
    if known.ended is not None:
        told = known.ended.model_dump(exclude={"usage", "log_bytes"}) | {
            "usage": known.ended.usage,
            "log_bytes": known.ended.log_bytes,
            "detail": known.ended.detail[:1000],
        }
    else:
        told = _describe_live(known)
    outputs = known.outputs if known.complete and known.outputs else Outputs()
    return Observation.model_validate(
        {
            "attempt_id": known.accepted.submit.attempt_id,
            "native_ref": known.native_ref,
            "observed_at": now,
            "staging_done_bytes": known.staging_done_bytes,
            "staging_total_bytes": max(known.staging_total_bytes, known.staging_done_bytes),
            "report_key": known.accepted.report_key,
            "reports": _pick_reports(reports, wanted=wanted),
            "report_counts": counts,
            "artefacts": outputs.artefacts,
            "checkpoint": outputs.checkpoint,
            "volumes": outputs.volumes,
            "outputs_complete": known.complete,
            **told,
        }
    )


def _describe_live(known: Known) -> dict[str, object]:
    if known.native is None:
        state = AttemptState.STARTING if known.native_ref else AttemptState.STAGING
        return {"state": state, "detail": known.note[:1000]}
    native = known.native
    has_ended = native.ended_at is not None or native.state not in _LIVE
    usage = known.metered.usage if known.metered else Usage()
    return {
        "state": AttemptState.STOPPING if has_ended else native.state,
        "reason": None if has_ended else native.reason,
        "detail": (known.note or ("" if has_ended else native.detail))[:1000],
        "expected_start_at": native.expected_start_at,
        "started_at": native.started_at,
        "nodes": native.nodes,
        "allocated": native.allocated,
        "usage": usage,
        "log_bytes": dict(native.log_bytes),
    }


_LIVE = frozenset(
    {
        AttemptState.SUBMITTED,
        AttemptState.QUEUED,
        AttemptState.STAGING,
        AttemptState.STARTING,
        AttemptState.RUNNING,
        AttemptState.SUSPENDED,
        AttemptState.STOPPING,
    }
)


def _count_reports(reports: tuple[SignedReport, ...]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for report in reports:
        counts[report.rank] = counts.get(report.rank, 0) + 1
    return counts


def _pick_reports(reports: tuple[SignedReport, ...], *, wanted: Mapping[int, int]) -> tuple[SignedReport, ...]:
    missing = [report for report in reports if report.sequence >= wanted.get(report.rank, 0)]
    return tuple(missing[:REPORTS_PER_OBSERVATION_MAX])
