"""Maintenance that a provider announces, told by scripted agents: what is still begun, what waits, and who takes it."""

import pytest

from lilong.common.errors import NotAllowed
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.models import Attempt
from lilong.foundation.runs.queries.pools import PoolMissing, get_pool
from lilong.foundation.runs.services.pools import MaintenanceInvalid, announce_maintenance, cancel_maintenance
from lilong.protocol.messages import AttemptState, Reason, Submit
from tests.pools import KEEPER, MEMBER, OPERATOR, at, look, make_spec, open_pool, settle, submit

pytestmark = pytest.mark.django_db
S = AttemptState
HOUR_S = 3600
WINDOW = Maintenance(starts_at=at(2 * HOUR_S), ends_at=at(3 * HOUR_S), reason="new cooling")


def announce(agent, window=WINDOW, *, actor=KEEPER, seconds=0):
    announce_maintenance(actor=actor, pool_id=agent.pool_id, window=window, now=at(seconds))


def list_offered(agent, *, seconds):
    return [command.spec.name for command in agent.sync(seconds=seconds).commands if isinstance(command, Submit)]


def make_job(name, *, hours):
    return make_spec(name=name, walltime_s=int(hours * HOUR_S))


@pytest.fixture
def pools(home, db):
    return open_pool("a"), open_pool("b")


def test_work_that_ends_before_the_window_is_offered_and_no_other_until_it_is_over(agent):
    announce(agent)
    submit(agent, spec=make_job("fits", hours=1.5), authorised_ms=10**8)
    long = submit(agent, spec=make_job("reaches", hours=2.5), authorised_ms=10**8)

    assert list_offered(agent, seconds=1) == ["fits"]
    assert look(long, seconds=1).waiting_reason == (
        "pool embedded has maintenance from 2026-03-01 14:00 to 15:00 UTC (new cooling): 2h30m could reach into it, so "
        "it begins after that"
    )
    assert "reaches" not in list_offered(agent, seconds=2.5 * HOUR_S)
    assert look(long, seconds=2.5 * HOUR_S).waiting_reason == (
        "pool embedded has maintenance until 2026-03-01 15:00 UTC (new cooling): it begins after that"
    )
    assert "reaches" in list_offered(agent, seconds=3 * HOUR_S)


def test_what_runs_goes_on(agent):
    run_id = submit(agent, spec=make_job("train", hours=5), authorised_ms=10**8)
    taken = agent.take(seconds=1)
    announce(agent, seconds=2)
    answer = agent.sync(agent.see(taken, S.RUNNING, seconds=2.5 * HOUR_S, ms=1000), seconds=2.5 * HOUR_S)

    assert [command.kind for command in answer.commands if command.kind == "cancel"] == []
    assert look(run_id, seconds=2.5 * HOUR_S).waiting_reason == ""


def test_another_pool_takes_at_once_what_would_reach_into_the_window(pools):
    first, other = pools
    announce(first)
    run_id = submit(first, other, spec=make_job("train", hours=2.5), authorised_ms=10**8)

    assert list_offered(other, seconds=1) == ["train"]
    assert list_offered(first, seconds=2) == []
    assert [attempt.pool_id for attempt in look(run_id, seconds=2).attempts] == [other.pool_id]


def test_what_waits_when_a_window_is_announced_moves_to_another_pool(pools):
    first, other = pools
    run_id = submit(first, other, spec=make_job("train", hours=2.5), authorised_ms=10**8)
    announce(first, seconds=1)
    other.sync(seconds=2)
    settle(seconds=3)
    moved, taken = look(run_id, seconds=3).attempts

    assert (moved.pool_id, moved.state, moved.billable_ms) == (first.pool_id, S.REJECTED, 0)
    assert moved.detail == "Its pool takes no such work now; another pool takes the run."
    assert taken.pool_id == other.pool_id


def test_with_every_pool_in_maintenance_a_run_waits_without_using_up_its_tries(pools):
    for agent in pools:
        announce(agent)
    run_id = submit(*pools, spec=make_job("train", hours=2.5), authorised_ms=10**8)
    for minute in range(0, 180, 20):
        for agent in pools:
            assert list_offered(agent, seconds=minute * 60) == []
        settle(seconds=minute * 60 + 1)
    first, _ = pools

    assert len(look(run_id, seconds=3 * HOUR_S - 1).attempts) == 1
    assert list_offered(first, seconds=3 * HOUR_S) == ["train"]


def test_a_job_leaves_the_queue_in_time_to_end_before_the_window(agent):
    announce(agent)
    run_id = submit(agent, spec=make_job("train", hours=1.5), authorised_ms=10**8)
    taken = agent.take(seconds=600)
    refused = agent.see(taken, S.REJECTED, seconds=HOUR_S / 2, reason=Reason.QUEUE_WAIT_EXCEEDED, outputs_complete=True)
    agent.sync(refused, seconds=HOUR_S / 2)

    assert taken.queue_wait_s == HOUR_S / 2 - 600
    assert list_offered(agent, seconds=HOUR_S / 2 + 1) == []
    assert look(run_id, seconds=HOUR_S / 2 + 1).waiting_reason.startswith("pool embedded has maintenance from")
    assert list_offered(agent, seconds=3 * HOUR_S) == ["train"]


def test_an_agent_that_is_silent_during_its_maintenance_is_said_to_have_it(agent):
    run_id = submit(agent)
    agent.sync(agent.see(agent.take(seconds=1), S.RUNNING, seconds=2, ms=500), seconds=2)
    announce(agent, Maintenance(starts_at=at(60), ends_at=at(HOUR_S), reason=""))

    assert look(run_id, seconds=122).waiting_reason == (
        "the agent of pool embedded has not reported for 2m; maintenance until 2026-03-01 13:00 UTC"
    )


def test_a_window_is_seen_until_it_is_over_or_taken_back_and_replaced_by_the_next(agent):
    later = Maintenance(starts_at=at(5 * HOUR_S), ends_at=at(6 * HOUR_S), reason="")

    def see(seconds):
        return get_pool(actor=OPERATOR, pool_id=agent.pool_id, now=at(seconds)).maintenance

    announce(agent)
    assert (see(0), see(3 * HOUR_S)) == (WINDOW, None)
    announce(agent, later)
    assert see(0) == later
    cancel_maintenance(actor=KEEPER, pool_id=agent.pool_id)
    cancel_maintenance(actor=KEEPER, pool_id=agent.pool_id)
    submit(agent, spec=make_job("long", hours=9), authorised_ms=10**8)
    assert see(0) is None
    assert list_offered(agent, seconds=1) == ["long"]


DAY_S = 24 * HOUR_S


@pytest.mark.parametrize(
    ("starts_s", "ends_s", "path"),
    [
        (7200, 7200, "ends_at"),
        (7200, 3600, "ends_at"),
        (-7200, 0, "ends_at"),
        (1, 400 * DAY_S, "ends_at"),
        (-400 * DAY_S, 1, "starts_at"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_the_field(agent, starts_s, ends_s, path):
    with pytest.raises(MaintenanceInvalid) as refused:
        announce(agent, Maintenance(starts_at=at(starts_s), ends_at=at(ends_s), reason=""))

    assert [field.path for field in refused.value.fields] == [path]


def test_only_who_keeps_a_pool_announces_its_maintenance(agent):
    with pytest.raises((NotAllowed, PoolMissing)):
        announce(agent, actor=MEMBER)
    with pytest.raises((NotAllowed, PoolMissing)):
        cancel_maintenance(actor=MEMBER, pool_id=agent.pool_id)
    announce(agent, actor=OPERATOR)

    assert Attempt.objects.count() == 0
