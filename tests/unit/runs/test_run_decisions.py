import pytest

from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.runs import Finish, RunFacts, RunState, Tried, TryNext, Wait, decide_run
from lilong.foundation.runs.core.table import REASONS
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import OnFault
from tests.unit.runs.attempts import at

S = AttemptState
POLICY = Policy(preemptions_max=2)
POOLS = ("pool_a", "pool_b", "pool_c")


def tried(reason, *, candidate=0, billable_ms=0, settled=True, has_run=True, fault=None):
    rule = REASONS[reason]
    return Tried(
        candidate=candidate,
        state=rule.ends[0],
        reason=reason,
        fault=fault or rule.fault,
        detail="",
        has_run=has_run,
        settled=settled,
        billable_ms=billable_ms,
    )


def decide(*attempts, reachable=POOLS, **fields):
    run = {"candidates": POOLS, "authorised_ms": 100_000, "max_attempts": 3, "on_fault": OnFault.RETRY, **fields}
    return decide_run(RunFacts(tried=attempts, **run), reachable=set(reachable), policy=POLICY)


def test_the_first_attempt_goes_to_the_first_candidate():
    assert decide() == TryNext(candidate=0, used_ms=0)


def test_a_pool_that_is_away_is_passed_over_while_another_is_there():
    assert decide(reachable=["pool_b"]) == TryNext(candidate=1, used_ms=0)
    assert decide(reachable=[]) == TryNext(candidate=0, used_ms=0)


def test_nothing_follows_before_an_attempt_has_settled():
    assert decide(tried(Reason.SHIM_LOST, settled=False)) == Wait()


def test_success_ends_the_run_even_when_a_stop_came_too_late():
    end = decide(tried(Reason.COMPLETED), stopped_at=at(9), stop_reason=Reason.CANCELLED_BY_MEMBER)

    assert end == Finish(state=RunState.SUCCEEDED, reason=Reason.COMPLETED, fault=Fault.NOBODY)


@pytest.mark.parametrize("reason", [reason for reason, rule in REASONS.items() if rule.fault is Fault.MEMBER])
def test_the_members_fault_ends_the_run(reason):
    assert isinstance(decide(tried(reason)), Finish)


def test_a_providers_fault_is_retried_on_the_next_candidate_with_what_is_left():
    assert decide(tried(Reason.NODE_LOST, billable_ms=40_000)) == TryNext(candidate=1, used_ms=40_000)


def test_after_the_last_candidate_the_first_comes_again():
    attempts = [tried(Reason.NODE_LOST, candidate=position) for position in range(3)]

    assert decide(*attempts, max_attempts=4) == TryNext(candidate=0, used_ms=0)
    assert isinstance(decide(*attempts, max_attempts=3), Finish)


def test_refusals_do_not_use_up_attempts():
    refusals = [tried(Reason.ENGINE_REFUSED, candidate=position, has_run=False) for position in range(3)]

    assert decide(*refusals, max_attempts=1) == TryNext(candidate=0, used_ms=0)
    assert isinstance(decide(*refusals, *refusals[:1], max_attempts=1), Finish)


def test_a_pool_that_cannot_take_the_spec_is_not_asked_again():
    refusals = [tried(Reason.SPEC_REFUSED, candidate=position, has_run=False) for position in range(3)]
    end = decide(*refusals)

    assert isinstance(end, Finish)
    assert (end.state, end.reason) == (RunState.FAILED, Reason.SPEC_REFUSED)


def test_preemptions_are_bounded():
    attempts = [tried(Reason.PREEMPTED_BY_PROVIDER)] * 3

    assert isinstance(decide(*attempts[:2], max_attempts=20), TryNext)
    assert isinstance(decide(*attempts, max_attempts=20), Finish)


def test_a_spec_may_say_to_stop_after_a_fault_of_work_that_ran():
    assert isinstance(decide(tried(Reason.SHIM_LOST), on_fault=OnFault.STOP), Finish)
    refusal = tried(Reason.ENGINE_REFUSED, has_run=False)
    assert isinstance(decide(refusal, on_fault=OnFault.STOP), TryNext)


def test_without_authority_left_the_run_has_timed_out():
    end = decide(tried(Reason.SHIM_LOST, billable_ms=100_000))

    assert end == Finish(state=RunState.TIMED_OUT, reason=Reason.AUTHORITY_REACHED, fault=Fault.MEMBER)


@pytest.mark.parametrize(
    ("reason", "state"),
    [(Reason.CANCELLED_BY_MEMBER, RunState.CANCELLED), (Reason.AUTHORITY_REACHED, RunState.TIMED_OUT)],
)
def test_a_stop_leaves_no_next_attempt(reason, state):
    for attempts in ([], [tried(Reason.NODE_LOST)]):
        end = decide(*attempts, stopped_at=at(9), stop_reason=reason)
        assert isinstance(end, Finish)
        assert (end.state, end.reason) == (state, reason)


def test_work_cancelled_by_its_provider_is_retried():
    assert isinstance(decide(tried(Reason.CANCELLED_BY_HUB, fault=Fault.PROVIDER)), TryNext)
