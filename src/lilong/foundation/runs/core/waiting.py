"""Say in one plain sentence why a run waits, and when it is expected to start."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lilong.common.time import format_duration
from lilong.foundation.runs.core.maintenance import Maintenance, describe_window, explain_maintenance, is_open
from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.silence import is_away
from lilong.foundation.runs.core.table import STATES
from lilong.protocol.messages import AttemptState, Reason


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
    refused: str = ""
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


def explain_wait(attempt: Waiting | None, *, pool: PoolStanding, now: datetime, policy: Policy) -> str:
    """Return why there is no progress, or nothing where there is some.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> pool = PoolStanding(name="embedded", last_sync_at=noon, draining=False)
    >>> explain_wait(None, pool=pool, now=noon.replace(second=40), policy=Policy())
    'the agent of pool embedded has not reported for 40s'
    """
    window, walltime_s = pool.maintenance, attempt.walltime_s if attempt else 0
    stands_in_the_way = explain_maintenance(window, pool=pool.name, walltime_s=walltime_s, now=now)
    if stands_in_the_way and attempt is not None and attempt.state is AttemptState.CREATED and not attempt.stopping:
        return stands_in_the_way
    if is_away(last_sync_at=pool.last_sync_at, now=now, policy=policy):
        return _explain_silence(pool, now=now)
    if attempt is None:
        return "the next attempt is being prepared"
    if attempt.settled:
        return "the run is being closed"
    if attempt.stopping and attempt.state is not AttemptState.STOPPING:
        return f"pool {pool.name} has been asked to stop and has not confirmed it yet"
    has_begun = STATES[attempt.state].phase > STATES[AttemptState.QUEUED].phase
    refused = "" if has_begun else attempt.refused
    return "; ".join(filter(None, (refused, _explain_state(attempt, pool=pool))))


def explain_queue_refusal(*, pool: str, queue_wait_s: int | None, next_pool: str) -> str:
    """Return what became of an attempt that left the queue of `pool`, by name; next_pool: of the attempt that followed.

    >>> explain_queue_refusal(pool="a", queue_wait_s=120, next_pool="b")
    'pool a had no room within 2m, and pool b came next'
    """
    waited = f"pool {pool} had no room within {format_duration(queue_wait_s or 0)}"
    if not next_pool:
        return waited
    return f"{waited}, and {'was asked again' if next_pool == pool else f'pool {next_pool} came next'}"


def _explain_silence(pool: PoolStanding, *, now: datetime) -> str:
    if pool.last_sync_at is None:
        return f"no agent serves pool {pool.name} yet"
    silent_s = int((now - pool.last_sync_at).total_seconds())
    silence = f"the agent of pool {pool.name} has not reported for {format_duration(silent_s)}"
    window = pool.maintenance
    return f"{silence}; {describe_window(window, now=now)}" if window and is_open(window, now=now) else silence


def _explain_state(attempt: Waiting, *, pool: PoolStanding) -> str:
    match attempt.state:
        case AttemptState.CREATED if pool.draining:
            return f"pool {pool.name} takes no new work at present"
        case AttemptState.CREATED | AttemptState.SUBMITTED:
            return f"it is being handed to pool {pool.name}"
        case AttemptState.QUEUED:
            waits = "free capacity" if attempt.reason is Reason.WAITING_FOR_CAPACITY else "its turn"
            limit_s, following = attempt.queue_wait_s, attempt.next_pool
            then = f"after {format_duration(limit_s)} there, pool {following} is next" if limit_s and following else ""
            why = f"it waits for {waits} in pool {pool.name}"
            if attempt.detail:
                why = f"it waits in pool {pool.name}: {_join_on(attempt.detail)}"
            return "; ".join(filter(None, (why, then)))
        case AttemptState.STAGING:
            done, total = attempt.staging_done_bytes, attempt.staging_total_bytes
            progress = f": {done} of {total} bytes" if total else ""
            return attempt.detail or f"its inputs and environment are being brought{progress}"
        case AttemptState.STARTING:
            return attempt.detail or "it is starting"
        case AttemptState.SUSPENDED:
            return attempt.detail or f"pool {pool.name} has suspended it; suspended time is not billed"
        case AttemptState.STOPPING:
            return "it is being stopped"
        case AttemptState.RUNNING:
            return ""
        case _:
            return "its outputs are being brought to the hub"


def _join_on(sentence: str) -> str:
    """Return a sentence as the rest of another: "A node is down." as "a node is down", "QOS limit" as it is."""
    text = sentence.strip().removesuffix(".")
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"
