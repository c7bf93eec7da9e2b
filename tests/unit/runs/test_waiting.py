import pytest

from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.waiting import (
    ExpectedStart,
    PoolStanding,
    StartBasis,
    Waiting,
    explain_queue_refusal,
    explain_wait,
    find_expected_start,
)
from lilong.protocol.messages import AttemptState, Reason
from lilong.protocol.waits import join_waits
from tests.unit.runs.attempts import NOON, at

S = AttemptState


def make_waiting(state, **fields):
    attempt = {"reason": None, "detail": "", "settled": False, "stopping": False, **fields}
    return Waiting(state=state, staging_done_bytes=10, staging_total_bytes=40, **attempt)


def explain(state, *, seconds=1, draining=False, **fields):
    pool = PoolStanding(name="embedded", last_sync_at=NOON, draining=draining)
    return join_waits(explain_wait(make_waiting(state, **fields), pool=pool, now=at(seconds), policy=POLICY))


def expect(state, *, seconds=1, **fields):
    pool = PoolStanding(name="embedded", last_sync_at=NOON, draining=False)
    return find_expected_start(make_waiting(state, **fields), pool=pool, now=at(seconds), policy=POLICY)


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
    said = explain(S.QUEUED, detail="Jobs with a higher priority wait before it.", queue_wait_s=120, next_pool="other")

    assert said == (
        "it waits in pool embedded: jobs with a higher priority wait before it; after 2m there, pool other is next"
    )
    assert explain(S.QUEUED, detail="QOS limit") == "it waits in pool embedded: QOS limit"
    assert "free capacity" in explain(S.QUEUED, reason=Reason.WAITING_FOR_CAPACITY)


def test_a_stop_that_is_not_confirmed_is_said():
    assert "has not confirmed" in explain(S.RUNNING, stopping=True)


def test_a_drained_pool_takes_no_new_work():
    assert "no new work" in explain(S.CREATED, draining=True)


def test_a_queue_that_is_left_says_after_how_long_and_which_pool_is_next():
    said = explain(S.QUEUED, reason=Reason.WAITING_FOR_CAPACITY, queue_wait_s=240, next_pool="other")

    assert said == "it waits for free capacity in pool embedded; after 4m there, pool other is next"
    assert "next" not in explain(S.QUEUED, queue_wait_s=86_400)


def test_after_a_full_queue_it_is_said_which_it_was_until_work_begins():
    refused = explain_queue_refusal(pool="other", queue_wait_s=120, next_pool="")

    assert explain(S.CREATED, refused=refused) == (
        "pool other had no room within 2m; it is being handed to pool embedded"
    )
    assert refused.text in explain(S.QUEUED, refused=refused)
    assert refused.text in explain(S.STAGING, refused=refused)
    assert refused.text not in explain(S.STARTING, refused=refused)


@pytest.mark.parametrize(("next_pool", "then"), [("b", "pool b came next"), ("a", "was asked again")])
def test_of_an_attempt_that_left_a_queue_it_is_said_what_followed(next_pool, then):
    assert explain_queue_refusal(pool="a", queue_wait_s=120, next_pool=next_pool).text == (
        f"pool a had no room within 2m, and {then}"
    )


def test_of_work_in_a_queue_it_is_said_when_it_is_expected_to_start_or_that_nobody_knows():
    unknown = ExpectedStart(at=None, basis=StartBasis.UNKNOWN)

    assert expect(S.QUEUED, expected_start_at=at(600)) == ExpectedStart(at=at(600), basis=StartBasis.SCHEDULER)
    assert expect(S.QUEUED) == unknown
    assert expect(S.QUEUED, expected_start_at=at(600), seconds=40) == unknown  # the agent that said so is away
    assert expect(S.QUEUED, expected_start_at=at(600), stopping=True) is None


@pytest.mark.parametrize("state", [state for state in S if state is not S.QUEUED])
def test_what_is_in_no_queue_has_no_expected_start(state):
    assert expect(state, expected_start_at=at(600)) is None
