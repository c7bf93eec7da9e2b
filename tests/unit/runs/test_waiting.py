import pytest

from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.waiting import PoolStanding, Waiting, explain_wait
from lilong.protocol.messages import AttemptState, Reason
from tests.unit.runs.attempts import NOON, at

S = AttemptState


def explain(state, *, seconds=1, draining=False, **fields):
    attempt = {"reason": None, "detail": "", "settled": False, "stopping": False, **fields}
    waiting = Waiting(state=state, staging_done_bytes=10, staging_total_bytes=40, **attempt)
    pool = PoolStanding(name="embedded", last_sync_at=NOON, draining=draining)
    return explain_wait(waiting, pool=pool, now=at(seconds), policy=POLICY)


def test_work_that_runs_waits_for_nothing():
    assert not explain(S.RUNNING)


@pytest.mark.parametrize("state", [state for state in S if state is not S.RUNNING])
def test_everything_else_has_a_reason(state):
    assert explain(state)


def test_an_agent_that_is_away_is_named_whatever_the_state():
    assert explain(S.RUNNING, seconds=40) == "the agent of pool embedded has not reported for 40s"


def test_staging_shows_its_bytes():
    assert explain(S.STAGING).endswith("10 of 40 bytes")


def test_the_engines_own_words_are_shown():
    assert explain(S.QUEUED, detail="2 cores wanted, 1 free") == "2 cores wanted, 1 free"
    assert "free capacity" in explain(S.QUEUED, reason=Reason.WAITING_FOR_CAPACITY)


def test_a_stop_that_is_not_confirmed_is_said():
    assert "has not confirmed" in explain(S.RUNNING, stopping=True)


def test_a_drained_pool_takes_no_new_work():
    assert "no new work" in explain(S.CREATED, draining=True)
