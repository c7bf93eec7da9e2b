"""Which command an attempt calls for: what should be, less what was observed."""

from enum import StrEnum

from lilong.foundation.runs.core.attempts import AttemptFacts
from lilong.foundation.runs.core.table import STATES
from lilong.protocol.messages import AttemptState, Observation


class Call(StrEnum):
    """What the agent is to do next with one attempt."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    EXTEND = "extend"
    LOCATE = "locate"
    RELEASE = "release"


def decide_call(
    attempt: AttemptFacts,
    *,
    observation: Observation | None,
    said_to_live: bool,
    asked_to_stop: bool,
    granted_ms: int,
    logs_kept: bool,
    outputs_wanted: bool,
    takes_work: bool,
) -> Call | None:
    """Return the command for an attempt after a sync in which it was observed, or was not; None when nothing is left.

    The same question gives the same answer until an observation shows the effect. An attempt that ended for the hub
    but lives for the agent is cancelled. said_to_live: it was not observed, but named as unchanged. asked_to_stop: the
    hub wants its end. takes_work: neither draining nor maintenance of the pool is in its way. outputs_wanted: the run
    is not closed yet, so that outputs that come late still count.
    """
    if attempt.has_ended:
        if observation is None:
            return Call.CANCEL if said_to_live else None
        if not STATES[observation.state].has_ended:
            return Call.CANCEL
        has_all = logs_kept and (observation.outputs_complete or not outputs_wanted)
        return Call.RELEASE if has_all and attempt.settled_at is not None else None
    if asked_to_stop:
        return None if attempt.offered_at is None else Call.CANCEL
    if attempt.state is AttemptState.CREATED:
        return Call.SUBMIT if takes_work or attempt.offered_at is not None else None
    if observation is None:
        return Call.LOCATE
    return Call.EXTEND if observation.usage.authorised_ms < granted_ms else None
