"""Say why a run waits, in codes that have one plain sentence each, and when it is expected to start."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lilong.foundation.runs.core.maintenance import Maintenance, describe_opening, explain_maintenance, is_open
from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.silence import is_away
from lilong.foundation.runs.core.table import STATES
from lilong.protocol.messages import AttemptState, Reason
from lilong.protocol.waits import Wait, WaitCode


class StartBasis(StrEnum):
    """What an expected start rests on: the plan of the engine's scheduler, or nothing."""

    SCHEDULER = "scheduler"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ExpectedStart:
    """When an attempt that queues is expected to start; `at` is None where that is unknown."""

    at: datetime | None
    basis: StartBasis


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """A pool as far as waiting depends on it. maintenance: the window announced last, which may be over."""

    name: str
    last_sync_at: datetime | None
    draining: bool
    maintenance: Maintenance | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The attempt of a run that is not over.

    walltime_s: how long it may run. queue_wait_s: how long it may queue; next_pool: name of the pool that follows then,
    empty for its own. expected_start_at: by the engine's scheduler.
    refused: what `explain_queue_refusal` says of the attempt before it, if that left a queue.
    """

    state: AttemptState
    reason: Reason | None
    detail: str
    settled: bool
    stopping: bool
    staging_done_bytes: int
    staging_total_bytes: int
    walltime_s: int = 0
    queue_wait_s: int | None = None
    next_pool: str = ""
    refused: Wait | None = None
    expected_start_at: datetime | None = None


def find_expected_start(attempt: Waiting, *, pool: PoolStanding, now: datetime, policy: Policy) -> ExpectedStart | None:
    """Return when an attempt that queues is expected to start; None for one that does not, or is to stop.

    What an agent said that is away now tells nothing any more.
    """
    if attempt.state is not AttemptState.QUEUED or attempt.stopping:
        return None
    is_stale = is_away(last_sync_at=pool.last_sync_at, now=now, policy=policy)
    if attempt.expected_start_at is None or is_stale:
        return ExpectedStart(at=None, basis=StartBasis.UNKNOWN)
    return ExpectedStart(at=attempt.expected_start_at, basis=StartBasis.SCHEDULER)


def explain_wait(attempt: Waiting | None, *, pool: PoolStanding, now: datetime, policy: Policy) -> tuple[Wait, ...]:
    """Return why there is no progress, in parts, or nothing where there is some.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> pool = PoolStanding(name="embedded", last_sync_at=noon, draining=False)
    >>> [wait.text for wait in explain_wait(None, pool=pool, now=noon.replace(second=40), policy=Policy())]
    ['the agent of pool embedded has not reported for 40s']
    """
    window, walltime_s = pool.maintenance, attempt.walltime_s if attempt else 0
    stands_in_the_way = explain_maintenance(window, pool=pool.name, walltime_s=walltime_s, now=now)
    if stands_in_the_way and attempt is not None and attempt.state is AttemptState.CREATED and not attempt.stopping:
        return (stands_in_the_way,)
    if is_away(last_sync_at=pool.last_sync_at, now=now, policy=policy):
        return _explain_silence(pool, now=now)
    if attempt is None:
        return (Wait(WaitCode.PREPARING),)
    if attempt.settled:
        return (Wait(WaitCode.CLOSING),)
    if attempt.stopping and attempt.state is not AttemptState.STOPPING:
        return (Wait(WaitCode.STOP_UNCONFIRMED, {"pool": pool.name}),)
    has_begun = STATES[attempt.state].phase > STATES[AttemptState.QUEUED].phase
    refused = () if has_begun or attempt.refused is None else (attempt.refused,)
    return (*refused, *_explain_state(attempt, pool=pool))


def explain_queue_refusal(*, pool: str, queue_wait_s: int | None, next_pool: str) -> Wait:
    """Return what became of an attempt that left the queue of `pool`, by name; next_pool: of the attempt that followed.

    >>> explain_queue_refusal(pool="a", queue_wait_s=120, next_pool="b").text
    'pool a had no room within 2m, and pool b came next'
    """
    facts: dict[str, str | int] = {"pool": pool, "limit_s": queue_wait_s or 0}
    if not next_pool:
        return Wait(WaitCode.QUEUE_LEFT, facts)
    if next_pool == pool:
        return Wait(WaitCode.QUEUE_LEFT_AGAIN, facts)
    return Wait(WaitCode.QUEUE_LEFT_FOR, facts | {"next_pool": next_pool})


def _explain_silence(pool: PoolStanding, *, now: datetime) -> tuple[Wait, ...]:
    if pool.last_sync_at is None:
        return (Wait(WaitCode.AGENT_MISSING, {"pool": pool.name}),)
    silent_s = int((now - pool.last_sync_at).total_seconds())
    silence = Wait(WaitCode.AGENT_SILENT, {"pool": pool.name, "silent_s": silent_s})
    window = pool.maintenance
    return (silence, describe_opening(window)) if window and is_open(window, now=now) else (silence,)


def _explain_state(attempt: Waiting, *, pool: PoolStanding) -> tuple[Wait, ...]:
    in_pool: dict[str, str | int] = {"pool": pool.name}
    match attempt.state:
        case AttemptState.CREATED if pool.draining:
            return (Wait(WaitCode.DRAINING, in_pool),)
        case AttemptState.CREATED | AttemptState.SUBMITTED:
            return (Wait(WaitCode.HANDING_OVER, in_pool),)
        case AttemptState.QUEUED:
            return _explain_queue(attempt, in_pool)
        case AttemptState.STAGING:
            done: dict[str, str | int] = {"done_bytes": attempt.staging_done_bytes}
            return _tell(attempt, Wait(WaitCode.STAGING, done | {"total_bytes": attempt.staging_total_bytes}))
        case AttemptState.STARTING:
            return _tell(attempt, Wait(WaitCode.STARTING))
        case AttemptState.SUSPENDED:
            return _tell(attempt, Wait(WaitCode.SUSPENDED, in_pool))
        case AttemptState.STOPPING:
            return (Wait(WaitCode.STOPPING),)
        case AttemptState.RUNNING:
            return ()
        case _:
            return (Wait(WaitCode.COLLECTING),)


def _explain_queue(attempt: Waiting, in_pool: dict[str, str | int]) -> tuple[Wait, ...]:
    for_capacity = attempt.reason is Reason.WAITING_FOR_CAPACITY
    why = Wait(WaitCode.QUEUED_FOR_CAPACITY if for_capacity else WaitCode.QUEUED_FOR_TURN, in_pool)
    if attempt.detail:
        why = Wait(WaitCode.QUEUED_BECAUSE, in_pool | {"said": _join_on(attempt.detail)})
    if not (attempt.queue_wait_s and attempt.next_pool):
        return (why,)
    return (why, Wait(WaitCode.NEXT_POOL, {"pool": attempt.next_pool, "limit_s": attempt.queue_wait_s}))


def _tell(attempt: Waiting, otherwise: Wait) -> tuple[Wait, ...]:
    """Return what the engine says of the attempt, if it says anything."""
    return (Wait(WaitCode.TOLD, {"said": attempt.detail}) if attempt.detail else otherwise,)


def _join_on(sentence: str) -> str:
    """Return a sentence as the rest of another: "A node is down." as "a node is down", "QOS limit" as it is."""
    text = sentence.strip().removesuffix(".")
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"
