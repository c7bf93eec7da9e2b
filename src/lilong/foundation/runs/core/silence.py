"""What follows from silence, and when: never an end while the work may still be alive and its time is not over."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lilong.common.sentences import say
from lilong.foundation.runs.core.attempts import NEVER_STARTED, AttemptFacts, end_attempt
from lilong.foundation.runs.core.policy import Policy
from lilong.protocol.messages import AttemptState, Reason


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What besides its observations decides about a silent attempt.

    last_sync_at: of the pool's agent. left_ms: authority that the attempt had not used when last seen.
    stopped_at, stop_reason: what the hub asked for, if it did. pool_takes_work: neither draining nor maintenance is in
    its way. other_pools: those that are not away and could take the run instead.
    """

    last_sync_at: datetime | None
    pool_takes_work: bool
    left_ms: int
    grace_s: int
    stopped_at: datetime | None
    stop_reason: Reason | None
    other_pools: tuple[str, ...]


def decide_silence(attempt: AttemptFacts, around: Surroundings, *, now: datetime, policy: Policy) -> AttemptFacts:
    """Return the attempt after a look at the clock; the same attempt when nothing follows.

    - Nobody was ever told of it: a stop ends it at once, and it makes room for another pool when its own is away or
      takes no such work.
    - It has ended, but its outputs never came: it is settled without them.
    - A stop was never confirmed: the member is let go, the agent is still told to cancel.
    - Its agent is silent long beyond the moment at which the work must have ended by itself: it is LOST.
    """
    if attempt.settled_at is not None:
        return attempt
    if attempt.offered_at is None:
        return _decide_unoffered(attempt, around, now=now, policy=policy)
    if attempt.has_ended:
        wait_s = policy.outputs_timeout_s + attempt.outputs_max_bytes // policy.outputs_bytes_per_s
        is_over = attempt.end_seen_at is not None and now >= attempt.end_seen_at + timedelta(seconds=wait_s)
        return replace(attempt, settled_at=now) if is_over else attempt
    if around.stopped_at is not None:
        patience = timedelta(seconds=around.grace_s + policy.stop_timeout_s)
        if now >= around.stopped_at + patience:
            detail = say("The pool has not confirmed the stop; the hub goes on asking it.")
            return end_attempt(attempt, state=AttemptState.LOST, reason=Reason.NODE_LOST, detail=detail, now=now)
    last_word_at = max(filter(None, (around.last_sync_at, attempt.offered_at)))
    patience = timedelta(milliseconds=around.left_ms, seconds=around.grace_s + policy.abandon_after_s)
    if now >= last_word_at + patience:
        detail = say("The pool's agent has been silent long beyond the time that this attempt may use.")
        return end_attempt(attempt, state=AttemptState.LOST, reason=Reason.AGENT_LOST, detail=detail, now=now)
    return attempt


def is_away(*, last_sync_at: datetime | None, now: datetime, policy: Policy) -> bool:
    """Return whether a pool's agent has been silent so long that people are told.

    >>> is_away(last_sync_at=None, now=datetime(2026, 3, 1), policy=Policy())
    True
    """
    return last_sync_at is None or now - last_sync_at > timedelta(seconds=policy.away_after_s)


def _decide_unoffered(attempt: AttemptFacts, around: Surroundings, *, now: datetime, policy: Policy) -> AttemptFacts:
    if around.stopped_at is not None:
        return end_attempt(
            attempt, state=AttemptState.CANCELLED, reason=around.stop_reason, detail=NEVER_STARTED, now=now
        )
    heard_at = max(filter(None, (around.last_sync_at, attempt.created_at)))
    waited_long = now - heard_at >= timedelta(seconds=policy.unoffered_s) or not around.pool_takes_work
    if around.other_pools and waited_long:
        untold = say("Its pool could not be told of it; another pool takes the run.")
        detail = (
            untold if around.pool_takes_work else say("Its pool takes no such work now; another pool takes the run.")
        )
        return end_attempt(attempt, state=AttemptState.REJECTED, reason=Reason.AGENT_LOST, detail=detail, now=now)
    return attempt
