"""Queues that are full, told by scripted agents: how long a run waits where, and what its member reads of it."""

import pytest

from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.models import Attempt
from lilong.foundation.runs.public import cancel_run
from lilong.foundation.runs.services.pools import set_draining
from lilong.protocol.messages import AttemptState, Fault, Reason, Submit
from tests.pools import KEEPER, at, look, make_spec, open_pool, settle, submit

pytestmark = pytest.mark.django_db
S = AttemptState
DAY_S = 24 * 3600


def leave_queue(agent, taken, *, seconds):
    """Let the engine withdraw a job that still queues."""
    ended = agent.see(taken, S.REJECTED, seconds=seconds, reason=Reason.QUEUE_WAIT_EXCEEDED)
    agent.sync(ended, seconds=seconds)


def queue(agent, taken, *, seconds):
    seen = agent.see(taken, S.QUEUED, seconds=seconds, reason=Reason.WAITING_FOR_CAPACITY)
    agent.sync(seen, seconds=seconds)


@pytest.fixture
def pools(home, db):
    return open_pool("a"), open_pool("b")


def test_while_another_pool_could_take_the_run_it_waits_two_minutes(pools):
    first, other = pools
    run_id = submit(first, other)
    taken = first.take(seconds=1)
    queue(first, taken, seconds=2)
    other.sync(seconds=3)

    assert taken.queue_wait_s == POLICY.queue_wait_s == 120
    assert look(run_id, seconds=4).waiting_reason == (
        "it waits for free capacity in pool a; after 2m there, pool b is next"
    )


def test_where_no_other_pool_could_take_it_a_run_waits_a_day(pools):
    first, other = pools
    submit(first, spec=make_spec(name="alone"))
    alone = first.take(seconds=1)
    set_draining(actor=KEEPER, pool_id=other.pool_id, draining_at=at(1))
    submit(first, other, spec=make_spec(name="beside-a-drained-pool"), seconds=2)
    beside = first.take(seconds=3)

    assert (alone.spec.name, alone.queue_wait_s) == ("alone", DAY_S)
    assert (beside.spec.name, beside.queue_wait_s) == ("beside-a-drained-pool", DAY_S)


def test_a_pool_that_is_away_is_not_waited_for_less(home, db):
    away, near = open_pool("away", seconds=-100), open_pool("near", seconds=-1)
    run_id = submit(near, away)
    taken = near.take(seconds=1)
    queue(near, taken, seconds=2)

    assert taken.queue_wait_s == DAY_S
    assert look(run_id, seconds=3).waiting_reason == "it waits for free capacity in pool near"


def test_the_wait_that_was_told_first_stands_although_the_other_pool_goes_away(pools):
    first, other = pools
    submit(first, other)

    assert [first.take(seconds=second).queue_wait_s for second in (1, 200)] == [120, 120]


def test_a_full_queue_hands_the_run_on_and_says_so(pools):
    first, other = pools
    run_id = submit(first, other)
    taken = first.take(seconds=1)
    queue(first, taken, seconds=2)
    other.sync(seconds=120)
    leave_queue(first, taken, seconds=122)
    second = other.take(seconds=124)

    assert look(run_id, seconds=124).waiting_reason == ("pool a had no room within 2m; it is being handed to pool b")
    refused, following = look(run_id, seconds=124).attempts
    assert (refused.state, refused.reason, refused.fault) == (S.REJECTED, Reason.QUEUE_WAIT_EXCEEDED, Fault.NOBODY)
    assert refused.detail == "Pool a had no room within 2m, and pool b came next."
    assert (following.pool_id, second.queue_wait_s, refused.billable_ms) == (other.pool_id, 120, 0)


def test_with_every_queue_full_the_run_starts_over_waits_longer_and_keeps_all_its_attempts(pools):
    run_id = submit(*pools, spec=make_spec(max_attempts=1))
    seconds, waits = 1, []
    for number in range(8):
        full, other = pools[number % 2], pools[1 - number % 2]
        taken = full.take(seconds=seconds)
        waits.append(taken.queue_wait_s)
        seconds += taken.queue_wait_s
        other.sync(seconds=seconds)
        leave_queue(full, taken, seconds=seconds)
    last = pools[0].take(seconds=seconds)
    pools[0].sync(pools[0].see(last, S.SUCCEEDED, seconds=seconds + 9, ms=5_000), seconds=seconds + 9)
    done = look(run_id, seconds=seconds + 9)

    assert waits == [120, 120, 240, 240, 480, 480, 960, 960]
    assert (done.state, len(done.attempts), done.billable_ms) == (RunState.SUCCEEDED, 9, 5_000)


def test_a_pool_alone_is_asked_again_after_a_day(agent):
    run_id = submit(agent, spec=make_spec(max_attempts=1))
    taken = agent.take(seconds=1)
    leave_queue(agent, taken, seconds=1 + DAY_S)
    again = agent.take(seconds=2 + DAY_S)

    assert (again.number, again.queue_wait_s) == (2, DAY_S)
    assert (
        look(run_id, seconds=2 + DAY_S).attempts[0].detail
        == "Pool embedded had no room within 1d, and was asked again."
    )


def test_an_engine_that_refuses_at_once_and_calls_that_a_wait_uses_up_the_tries(agent):
    run_id = submit(agent, spec=make_spec(max_attempts=1))
    for second in range(1, 20):
        offered = [each for each in agent.sync(seconds=second).commands if isinstance(each, Submit)]
        for taken in offered:
            leave_queue(agent, taken, seconds=second)
    run = look(run_id, seconds=20)

    assert run.state is RunState.FAILED
    assert [(each.reason, each.fault) for each in run.attempts] == [(Reason.ENGINE_REFUSED, Fault.PROVIDER)] * 2


def test_a_run_that_waits_can_be_let_go_at_any_time(pools):
    first, other = pools
    run_id = submit(first, other)
    leave_queue(first, first.take(seconds=1), seconds=121)
    cancel_run(run_id=run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(122))
    settle(seconds=123)

    assert look(run_id).state is RunState.CANCELLED
    assert Attempt.objects.filter(run_id=run_id, settled_at=None).count() == 0
