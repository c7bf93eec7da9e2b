import pytest

from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.silence import Surroundings, decide_silence
from lilong.protocol.messages import AttemptState, Fault, Reason
from tests.unit.runs.attempts import at, make_attempt

S = AttemptState
POLICY = Policy(
    unoffered_s=60, abandon_after_s=1_000, stop_timeout_s=500, outputs_timeout_s=100, outputs_bytes_per_s=10
)
RUNNING = make_attempt(state=S.RUNNING, started_at=at(1), observed_at=at(2), offered_at=at(0))


def look(attempt, *, seconds, **around):
    surroundings = {
        "last_sync_at": at(10),
        "pool_takes_work": True,
        "left_ms": 300_000,
        "grace_s": 10,
        "stopped_at": None,
        "stop_reason": None,
        "other_pools": (),
        **around,
    }
    return decide_silence(attempt, Surroundings(**surroundings), now=at(seconds), policy=POLICY)


@pytest.mark.parametrize("seconds", [100, 1_000, 1_319])
def test_silence_is_no_answer(seconds):
    assert look(RUNNING, seconds=seconds) is RUNNING


def test_silence_long_beyond_the_authority_is_the_providers_loss():
    lost = look(RUNNING, seconds=1_320)

    assert (lost.state, lost.reason, lost.fault) == (S.LOST, Reason.AGENT_LOST, Fault.PROVIDER)
    assert lost.settled_at == at(1_320)


def test_a_stop_that_is_not_confirmed_lets_the_member_go():
    assert look(RUNNING, seconds=609, last_sync_at=at(609), stopped_at=at(100)) is RUNNING
    assert look(RUNNING, seconds=610, last_sync_at=at(610), stopped_at=at(100)).state is S.LOST


def test_a_stop_before_anybody_was_told_ends_at_once():
    stopped = look(make_attempt(), seconds=20, stopped_at=at(19), stop_reason=Reason.CANCELLED_BY_MEMBER)

    assert (stopped.state, stopped.reason) == (S.CANCELLED, Reason.CANCELLED_BY_MEMBER)


def test_a_stop_after_somebody_was_told_waits_for_the_engine():
    offered = make_attempt(offered_at=at(5))

    assert look(offered, seconds=20, stopped_at=at(19)) is offered


def test_an_attempt_nobody_was_told_of_makes_room_for_another_pool():
    assert look(make_attempt(), seconds=69, other_pools=("pool_b",)).state is S.CREATED
    moved = look(make_attempt(), seconds=70, other_pools=("pool_b",))

    assert (moved.state, moved.reason) == (S.REJECTED, Reason.AGENT_LOST)


def test_an_attempt_with_nowhere_else_to_go_waits():
    assert look(make_attempt(), seconds=90_000).state is S.CREATED


def test_a_drained_pool_makes_room_at_once():
    assert look(make_attempt(), seconds=11, pool_takes_work=False, other_pools=("pool_b",)).state is S.REJECTED


def test_outputs_that_never_come_are_given_up_after_the_time_that_their_size_allows():
    ended = make_attempt(state=S.SUCCEEDED, offered_at=at(0), end_seen_at=at(50), outputs_max_bytes=1_000)

    assert look(ended, seconds=249) is ended
    assert look(ended, seconds=250).settled_at == at(250)


def test_what_is_settled_stays():
    settled = make_attempt(state=S.SUCCEEDED, offered_at=at(0), end_seen_at=at(50), settled_at=at(51))

    assert look(settled, seconds=10**6) is settled
