"""Queues that are full: how long a run waits in each, what comes next, and that it never ends for that alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilong.foundation.runs.core.attempts import QUEUE_SLACK_S
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import (
    NEVER_AGAIN,
    Finish,
    RunFacts,
    Tried,
    TryNext,
    decide_queue_wait,
    decide_run,
    find_next_pool,
)
from lilong.foundation.runs.core.table import REASONS
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import OnFault
from tests.unit.runs.attempts import at, follow, make_attempt, observe

S = AttemptState
FULL = Reason.QUEUE_WAIT_EXCEEDED
DAY_S = 24 * 3600
OTHERS = [reason for reason, rule in REASONS.items() if rule.ends and rule.fault is not Fault.MEMBER and reason != FULL]


def tried(reason, *, candidate=0, has_run=False, settled=True):
    rule = REASONS[reason]
    return Tried(
        candidate=candidate,
        state=rule.ends[0] if rule.ends else S.QUEUED,
        reason=reason,
        fault=rule.fault,
        detail="",
        has_run=has_run,
        settled=settled,
        billable_ms=0,
    )


def make_run(pools, *attempts, max_attempts=3):
    candidates = tuple(f"pool_{letter}" for letter in "abcdefgh"[:pools])
    return RunFacts(
        candidates=candidates,
        tried=attempts,
        authorised_ms=100_000,
        max_attempts=max_attempts,
        on_fault=OnFault.RETRY,
    )


def decide(run, *, reachable=None):
    return decide_run(run, reachable=run.candidates if reachable is None else reachable, policy=POLICY)


def wait_s(run, *, reachable=None):
    return decide_queue_wait(run, reachable=run.candidates if reachable is None else reachable, policy=POLICY)


def queue_on(run, candidate):
    """Return the run with one more attempt, which waits in the queue of this candidate."""
    return replace(run, tried=(*run.tried, tried(Reason.WAITING_FOR_CAPACITY, candidate=candidate, settled=False)))


def end_of(reason, candidate, ran):
    return tried(reason, candidate=candidate, has_run=ran and REASONS[reason].ends[0] != S.REJECTED)


@st.composite
def histories(draw):
    """Draw a run that goes on, and one that differs only in that queues were full now and then."""
    pools = draw(st.integers(1, 5))
    positions = st.integers(0, pools - 1)
    others = st.builds(end_of, st.sampled_from(OTHERS), positions, st.booleans())
    full = st.builds(lambda candidate: tried(FULL, candidate=candidate), positions)
    run = make_run(pools, *draw(st.lists(others, max_size=6)), max_attempts=draw(st.integers(1, 6)))
    mixed = list(run.tried)
    for wait in draw(st.lists(full, max_size=30)):
        mixed.insert(draw(st.integers(0, len(mixed))), wait)
    return run, replace(run, tried=tuple(mixed))


@given(histories(), st.data())
def test_full_queues_neither_end_a_run_nor_keep_one_alive(both, data):
    run, waited = both
    reachable = data.draw(st.sets(st.sampled_from(run.candidates)))
    without, with_waits = decide(run, reachable=reachable), decide(waited, reachable=reachable)

    if isinstance(without, TryNext):
        assert isinstance(with_waits, TryNext)
        assert with_waits.used_ms == without.used_ms
    if waited.tried and waited.tried[-1].reason is not FULL:
        assert type(with_waits) is type(without)


@given(histories())
def test_a_candidate_that_can_take_the_spec_is_never_barred_by_a_full_queue(both):
    run, waited = both
    refused = {attempt.candidate for attempt in run.tried if attempt.reason in NEVER_AGAIN}
    if not isinstance(decide(run), TryNext):
        return
    seen, going = set(), waited
    for _ in run.candidates:
        step = decide(going)
        assert isinstance(step, TryNext)
        seen.add(step.candidate)
        going = replace(going, tried=(*going.tried, tried(FULL, candidate=step.candidate)))

    assert seen == set(range(len(run.candidates))) - refused


@pytest.mark.parametrize("pools", range(1, 6))
def test_while_every_queue_is_full_the_candidates_take_turns_and_keep_their_places_longer_and_longer(pools):
    run, waits, order, passed_s = make_run(pools, max_attempts=1), [], [], 0
    while passed_s < 30 * DAY_S:
        step = decide(run)
        assert isinstance(step, TryNext)
        order.append(step.candidate)
        waits.append(wait_s(queue_on(run, step.candidate)))
        passed_s += waits[-1]
        run = replace(run, tried=(*run.tried, tried(FULL, candidate=step.candidate)))

    rounds = [waits[first : first + pools] for first in range(0, len(waits), pools)]
    expected = [min(POLICY.queue_wait_s * 2**number, DAY_S) for number in range(len(rounds))]
    assert order == [number % pools for number in range(len(order))]
    assert [set(of_round) for of_round in rounds] == [{DAY_S} if pools == 1 else {each} for each in expected]
    assert len(order) <= 10 * pools + 30  # ten rounds until a wait is a day


def test_a_pool_alone_is_waited_for_a_day_and_asked_again():
    lone = queue_on(make_run(1), 0)
    one_in_reach = queue_on(make_run(3), 1)

    assert wait_s(lone) == wait_s(one_in_reach, reachable={"pool_b"}) == DAY_S
    assert decide(make_run(1, tried(FULL), tried(FULL), max_attempts=1)) == TryNext(candidate=0, used_ms=0)


def test_a_pool_that_refuses_the_spec_is_no_other_pool():
    run = queue_on(make_run(2, tried(Reason.SPEC_REFUSED)), 1)

    assert wait_s(run) == DAY_S
    assert find_next_pool(run, reachable=run.candidates) == ""


def test_after_work_has_run_queues_are_waited_for_as_at_first():
    run = make_run(2, tried(FULL), tried(FULL, candidate=1), tried(Reason.NODE_LOST, has_run=True))

    assert wait_s(queue_on(make_run(2, *run.tried[:2]), 0)) == 2 * POLICY.queue_wait_s
    assert wait_s(queue_on(run, 0)) == POLICY.queue_wait_s


def test_the_next_pool_is_the_one_that_a_refusal_would_lead_to():
    run = make_run(3, tried(FULL), tried(FULL, candidate=1))
    queued = queue_on(run, 2)

    assert find_next_pool(queued, reachable=run.candidates) == "pool_a"
    assert find_next_pool(queued, reachable={"pool_b", "pool_c"}) == "pool_b"
    assert decide(
        replace(run, tried=(*run.tried, tried(FULL, candidate=2))), reachable={"pool_b", "pool_c"}
    ) == TryNext(candidate=1, used_ms=0)


def test_a_members_fault_ends_a_run_however_long_it_waited():
    assert isinstance(decide(make_run(2, tried(FULL), tried(Reason.EXIT_NONZERO, candidate=1, has_run=True))), Finish)


def end_after(seconds, **fields):
    """Return how an attempt that was offered at 10 s and may queue for 120 s ends when it is refused so much later."""
    attempt = make_attempt(**{"offered_at": at(10), "queue_wait_s": 120, "state": S.QUEUED, **fields})
    ended = follow(attempt, observe(S.REJECTED, seconds=10 + seconds - 1, reason=FULL))
    return ended.reason, ended.fault


def test_a_queue_that_was_full_is_nobodys_fault():
    assert end_after(120) == end_after(120 - QUEUE_SLACK_S) == (FULL, Fault.NOBODY)


@pytest.mark.parametrize(
    ("seconds", "fields"),
    [(120 - QUEUE_SLACK_S - 1, {}), (1, {}), (999, {"queue_wait_s": None}), (999, {"offered_at": None})],
)
def test_a_refusal_before_the_wait_is_over_is_a_try_and_the_providers(seconds, fields):
    assert end_after(seconds, **fields) == (Reason.ENGINE_REFUSED, Fault.PROVIDER)


def test_work_that_left_the_queue_cannot_be_withdrawn_from_it():
    attempt = make_attempt(offered_at=at(10), queue_wait_s=120, state=S.RUNNING, started_at=at(20))
    ended = follow(attempt, observe(S.REJECTED, seconds=200, reason=FULL))

    assert (ended.state, ended.reason, ended.fault) == (S.FAILED, Reason.SHIM_LOST, Fault.PROVIDER)
