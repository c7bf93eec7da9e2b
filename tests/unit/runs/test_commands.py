from dataclasses import replace

import pytest

from lilong.foundation.runs.core.commands import Call, decide_call
from lilong.protocol.messages import AttemptState
from tests.unit.runs.attempts import at, make_attempt, observe

S = AttemptState
RUNNING = make_attempt(state=S.RUNNING, offered_at=at(0), started_at=at(1))
SEEN = observe(S.RUNNING, seconds=9)
DONE = replace(RUNNING, state=S.SUCCEEDED, settled_at=at(20))
GONE = observe(S.SUCCEEDED, seconds=15, outputs_complete=True)


def call(attempt, observation=None, **change):
    asked = {
        "said_to_live": False,
        "asked_to_stop": False,
        "granted_ms": 0,
        "logs_kept": True,
        "outputs_wanted": True,
        "takes_work": True,
        **change,
    }
    return decide_call(attempt, observation=observation, **asked)


def test_a_new_attempt_is_submitted_until_it_is_seen():
    assert call(make_attempt()) is Call.SUBMIT
    assert call(make_attempt(offered_at=at(0))) is Call.SUBMIT
    assert call(replace(RUNNING, state=S.SUBMITTED), SEEN) is None


def test_a_drained_pool_gets_only_what_it_may_have_already():
    assert call(make_attempt(), takes_work=False) is None
    assert call(make_attempt(offered_at=at(0)), takes_work=False) is Call.SUBMIT


def test_what_should_stop_is_cancelled_until_its_end_is_seen():
    assert call(RUNNING, SEEN, asked_to_stop=True) is Call.CANCEL
    assert call(RUNNING, asked_to_stop=True) is Call.CANCEL
    assert call(replace(RUNNING, state=S.STOPPING), SEEN, asked_to_stop=True) is Call.CANCEL
    assert call(DONE, GONE, asked_to_stop=True) is Call.RELEASE


def test_what_nobody_was_told_of_needs_no_cancelling():
    assert call(make_attempt(), asked_to_stop=True) is None


def test_what_lives_after_its_end_is_cancelled():
    lost = replace(RUNNING, state=S.LOST, settled_at=at(99))

    assert call(lost, SEEN) is Call.CANCEL
    assert call(lost) is None


def test_what_is_not_seen_is_looked_for():
    assert call(RUNNING) is Call.LOCATE


def test_authority_is_extended_until_the_agent_enforces_it():
    assert call(RUNNING, SEEN, granted_ms=5_000) is Call.EXTEND
    usage = SEEN.usage.model_copy(update={"authorised_ms": 5_000})
    assert call(RUNNING, SEEN.model_copy(update={"usage": usage}), granted_ms=5_000) is None


@pytest.mark.parametrize(
    ("attempt", "seen", "logs_kept"),
    [
        (replace(DONE, settled_at=None), GONE, True),
        (DONE, GONE.model_copy(update={"outputs_complete": False}), True),
        (DONE, GONE, False),
    ],
)
def test_a_spool_is_released_only_when_the_hub_has_everything(attempt, seen, logs_kept):
    assert call(DONE, GONE) is Call.RELEASE
    assert call(attempt, seen, logs_kept=logs_kept) is None


def test_a_closed_run_waits_for_no_outputs():
    silent = GONE.model_copy(update={"outputs_complete": False})

    assert call(DONE, silent, outputs_wanted=False) is Call.RELEASE
