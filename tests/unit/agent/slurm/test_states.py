"""Where an attempt stands, from the queue, accounting and the wrappers' files."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lilong.agent.engines.rank.parsing import JobFacts, RankFacts
from lilong.agent.engines.slurm.parsing import AccountedJob
from lilong.agent.engines.slurm.states import Decision, decide_state
from lilong.common.time import format_moment
from lilong.protocol.messages import AttemptState, Fault, Reason
from tests.unit.agent.slurm.rows import NOON, at, make_row, make_segment

S, R, F = AttemptState, Reason, Fault
TOLD = {"started_at": format_moment(NOON + timedelta(seconds=5)), "elapsed_ms": 60_000, "checkpoint_ms": 0}


def make_rank(*, has_shim=True, running=True, usage=None, **end):
    told = TOLD | {"cause": "", "exit_code": None, "ended_at": format_moment(at(65))}
    return RankFacts(
        has_shim=has_shim,
        alive=False,
        same_boot=False,
        running=running,
        usage=usage or (TOLD if running else None),
        end=(told | end) if end else None,
        log_bytes=3,
    )


def fresh_rank():
    return make_rank(has_shim=False, running=False)


def make_facts(*ranks, cancel=None, sandboxed=True):
    return JobFacts(dispatched=True, sandboxed=sandboxed, node_names=(), cancel=cancel, ranks=ranks or (fresh_rank(),))


def decide(native=None, *segments, wrapper=None, **more):
    facts = wrapper or make_facts()
    accounting = AccountedJob(job_id=7, uid=1000, name="lilong", segments=segments) if segments else None
    more = {"begun": any(rank.has_shim for rank in facts.ranks)} | more
    return decide_state(native=native, accounting=accounting, wrapper=facts, **more)


def told(decision):
    assert decision.state is not None
    return decision.state.state, decision.state.reason, decision.state.fault


def test_a_job_that_waits_says_why():
    state = decide(make_row("PENDING", reason="Priority", nodes=())).state

    assert (state.state, state.reason) == (S.QUEUED, R.WAITING_FOR_CAPACITY)
    assert state.detail == "Jobs with a higher priority wait before it."


@pytest.mark.parametrize(
    ("word", "ranks", "expected"),
    [
        ("CONFIGURING", [fresh_rank()], S.STARTING),
        ("RUNNING", [fresh_rank()], S.STARTING),
        ("RUNNING", [make_rank(), make_rank(running=False)], S.STARTING),
        ("RUNNING", [make_rank(), make_rank()], S.RUNNING),
        ("RUNNING", [make_rank(), make_rank(exit_code=0)], S.STOPPING),
        ("RUNNING", [make_rank(exit_code=0)], S.STOPPING),
        ("SUSPENDED", [make_rank()], S.SUSPENDED),
        ("STOPPED", [make_rank()], S.SUSPENDED),
        ("COMPLETING", [make_rank(exit_code=0)], S.STOPPING),
        ("COMPLETING", [make_rank()], S.STOPPING),
    ],
)
def test_a_job_that_lives_is_where_slurm_and_its_wrappers_say(word, ranks, expected):
    decision = decide(make_row(word), wrapper=make_facts(*ranks))

    assert decision.state.state is expected
    assert decision.state.reason is decision.state.fault is None
    assert not decision.cancel_native


def test_a_job_that_was_told_to_stop_is_stopping():
    facts = make_facts(make_rank(), cancel={"reason": "cancelled_by_member"})

    assert decide(make_row("RUNNING"), wrapper=facts).state.state is S.STOPPING


@pytest.mark.parametrize(
    ("native", "segments"),
    [
        (None, []),
        (None, [make_segment("RUNNING", ended_at=None)]),
        (None, [make_segment("PENDING", started_at=None, ended_at=None, nodes=())]),
        (make_row("FANCY_NEW_STATE"), []),
    ],
)
def test_what_is_not_certain_is_not_said(native, segments):
    assert decide(native, *segments, wrapper=make_facts(make_rank())) == Decision(None)


ENDS = [
    ("NODE_FAIL", (S.LOST, R.NODE_LOST, F.PROVIDER)),
    ("BOOT_FAIL", (S.LOST, R.NODE_LOST, F.PROVIDER)),
    ("PREEMPTED", (S.PREEMPTED, R.PREEMPTED_BY_PROVIDER, F.PROVIDER)),
    ("TIMEOUT", (S.TIMED_OUT, R.WALLTIME_REACHED, F.MEMBER)),
    ("DEADLINE", (S.TIMED_OUT, R.WALLTIME_REACHED, F.MEMBER)),
    ("OUT_OF_MEMORY", (S.FAILED, R.MEMORY_EXCEEDED, F.MEMBER)),
    ("CANCELLED", (S.PREEMPTED, R.PREEMPTED_BY_PROVIDER, F.PROVIDER)),
    ("FAILED", (S.FAILED, R.SHIM_LOST, F.PROVIDER)),
    ("COMPLETED", (S.FAILED, R.SHIM_LOST, F.PROVIDER)),
]


@pytest.mark.parametrize(("word", "expected"), ENDS)
@pytest.mark.parametrize("source", ["queue", "accounting"])
def test_without_the_wrappers_word_slurm_says_how_it_ended(word, expected, source):
    facts = make_facts(make_rank())
    decision = (
        decide(make_row(word), wrapper=facts) if source == "queue" else decide(None, make_segment(word), wrapper=facts)
    )

    assert told(decision) == expected
    assert (decision.state.started_at, decision.state.ended_at) == (at(5), at(100))
    assert decision.state.nodes == ("n1",)


@pytest.mark.parametrize("word", [word for word, _ in ENDS])
def test_the_wrappers_own_end_decides(word):
    decision = decide(make_row(word), wrapper=make_facts(make_rank(exit_code=0)))

    assert told(decision) == (S.SUCCEEDED, R.COMPLETED, F.NOBODY)
    assert (decision.state.started_at, decision.state.ended_at) == (at(5), at(65))


def test_a_rank_that_failed_by_itself_explains_the_gang_that_slurm_killed():
    decision = decide(make_row("FAILED"), wrapper=make_facts(make_rank(), make_rank(exit_code=3)))

    assert told(decision) == (S.FAILED, R.EXIT_NONZERO, F.MEMBER)


def test_a_gang_has_not_succeeded_while_a_rank_is_silent():
    decision = decide(make_row("NODE_FAIL"), wrapper=make_facts(make_rank(), make_rank(exit_code=0)))

    assert told(decision) == (S.LOST, R.NODE_LOST, F.PROVIDER)


def test_a_silent_wrapper_gets_time_until_its_word_is_seen():
    facts = make_facts(make_rank())

    assert decide(make_row("FAILED"), wrapper=facts, settled=False).state.state is S.STOPPING
    assert decide(make_row("FAILED"), wrapper=facts).state.state is S.FAILED
    assert decide(make_row("CANCELLED", nodes=()), settled=False).state.state is S.PREEMPTED


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("NODE_FAIL", R.NODE_LOST),
        ("PREEMPTED", R.PREEMPTED_BY_PROVIDER),
        ("TIMEOUT", R.PREEMPTED_BY_PROVIDER),
        ("CANCELLED", R.PREEMPTED_BY_PROVIDER),
    ],
)
@pytest.mark.parametrize("end", [{"cause": "preempted_by_provider"}, {"exit_code": -15}, {"exit_code": -9}])
def test_slurm_explains_a_bare_signal(word, expected, end):
    decision = decide(make_row(word), wrapper=make_facts(make_rank(**end)))

    assert (decision.state.reason, decision.state.fault) == (expected, F.PROVIDER)


@pytest.mark.parametrize("word", ["COMPLETED", "FAILED"])
def test_a_job_that_ends_its_own_wrapper_does_so_by_its_own_fault(word):
    facts = make_facts(make_rank(cause="preempted_by_provider", exit_code=-15), sandboxed=False)

    assert told(decide(make_row(word), wrapper=facts)) == (S.FAILED, R.KILLED_BY_SIGNAL, F.MEMBER)
    assert decide(make_row(word), wrapper=replace(facts, sandboxed=True)).state.fault is F.PROVIDER
    assert decide(make_row(word), wrapper=replace(facts, ranks=facts.ranks * 2)).state.fault is F.PROVIDER


def test_a_wrapper_that_was_killed_without_the_cluster_is_the_fault_of_a_job_that_reaches_it():
    facts = make_facts(make_rank(), sandboxed=False)
    killed, crashed = make_segment("FAILED", exit_signal=9), make_segment("FAILED", exit_code=1)

    assert told(decide(None, killed, wrapper=facts)) == (S.FAILED, R.KILLED_BY_SIGNAL, F.MEMBER)
    assert told(decide(None, crashed, wrapper=facts)) == (S.FAILED, R.SHIM_LOST, F.PROVIDER)
    assert decide(None, killed, wrapper=replace(facts, sandboxed=True)).state.reason is R.SHIM_LOST
    assert decide(None, killed, wrapper=replace(facts, ranks=facts.ranks * 2)).state.reason is R.SHIM_LOST


@pytest.mark.parametrize("rank", [make_rank(), make_rank(cause="preempted_by_provider"), fresh_rank()])
def test_a_cancellation_by_the_jobs_own_user_is_no_fault_of_the_provider(rank):
    segment = make_segment("CANCELLED", cancelled_by=1000)
    decision = decide(make_row("CANCELLED"), segment, wrapper=make_facts(rank))

    assert told(decision) == (S.CANCELLED, R.CANCELLED_BY_MEMBER, F.MEMBER)


def test_who_has_cancelled_a_running_job_is_waited_for():
    facts = make_facts(make_rank(cause="preempted_by_provider"))

    assert decide(make_row("CANCELLED"), wrapper=facts, accounted=False).state.state is S.STOPPING
    assert decide(make_row("CANCELLED"), wrapper=facts).state.state is S.PREEMPTED


def test_what_accounting_does_not_tell_of_a_cancellation_is_waited_for_no_longer():
    decision = decide(make_row("CANCELLED"), make_segment("CANCELLED"), accounted=False)

    assert decision.state.state is S.PREEMPTED


def test_a_kill_for_want_of_memory_is_told_as_such():
    facts = make_facts(make_rank(exit_code=-9))

    assert told(decide(make_row("OUT_OF_MEMORY"), wrapper=facts)) == (S.FAILED, R.MEMORY_EXCEEDED, F.MEMBER)
    assert decide(make_row("FAILED"), wrapper=facts).state.reason is R.KILLED_BY_SIGNAL


@pytest.mark.parametrize("word", ["FAILED", "CANCELLED"])
@pytest.mark.parametrize("rank", [make_rank(), make_rank(exit_code=-9), make_rank(cause="preempted_by_provider")])
def test_what_slurm_said_of_memory_explains_a_job_that_it_killed(word, rank):
    decision = decide(make_row(word), wrapper=make_facts(rank), memory_killed=True)

    assert told(decision) == (S.FAILED, R.MEMORY_EXCEEDED, F.MEMBER)
    ended = make_facts(make_rank(exit_code=3))
    assert decide(make_row(word), wrapper=ended, memory_killed=True).state.reason is R.EXIT_NONZERO


@pytest.mark.parametrize("ranks", [[fresh_rank()], [make_rank()], [make_rank(cause="preempted_by_provider")]])
def test_a_cancellation_that_we_ordered_has_our_reason(ranks):
    facts = make_facts(*ranks, cancel={"reason": "cancelled_by_member"})

    assert told(decide(make_row("CANCELLED"), wrapper=facts)) == (S.CANCELLED, R.CANCELLED_BY_MEMBER, F.MEMBER)


@pytest.mark.parametrize("word", ["FAILED", "COMPLETED", "TIMEOUT", "CANCELLED"])
def test_a_bare_signal_after_our_order_is_our_own(word):
    facts = make_facts(make_rank(cause="preempted_by_provider"), cancel={"reason": "cancelled_by_member"})

    assert told(decide(make_row(word), wrapper=facts)) == (S.CANCELLED, R.CANCELLED_BY_MEMBER, F.MEMBER)
    assert told(decide(make_row("NODE_FAIL"), wrapper=facts)) == (S.LOST, R.NODE_LOST, F.PROVIDER)


LIVE_WORDS = ["PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "COMPLETING", "RESIZING", "STAGE_OUT", "ODD"]


@pytest.mark.parametrize("word", LIVE_WORDS)
@pytest.mark.parametrize("rank", [fresh_rank(), make_rank(), make_rank(exit_code=0), make_rank(exit_code=1)])
@pytest.mark.parametrize("cancel", [None, {"reason": "cancelled_by_member"}])
@pytest.mark.parametrize("segments", [[], [make_segment("RUNNING", ended_at=None)], [make_segment("CANCELLED")]])
def test_no_end_is_told_while_the_controller_has_the_job(word, rank, cancel, segments):
    state = decide(make_row(word), *segments, wrapper=make_facts(rank, cancel=cancel), begun=False).state

    assert state is None or (state.fault is None and state.ended_at is None)


def test_a_cancellation_by_somebody_else_names_the_user():
    state = decide(make_row("CANCELLED"), make_segment("CANCELLED", cancelled_by=0)).state

    assert state.detail == "It was cancelled on the cluster by uid 0."


@pytest.mark.parametrize("word", ["PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"])
def test_a_job_that_waits_again_has_ended_at_its_last_sign_of_life(word):
    decision = decide(make_row(word, nodes=()), wrapper=make_facts(make_rank()))

    assert told(decision) == (S.PREEMPTED, R.PREEMPTED_BY_PROVIDER, F.PROVIDER)
    assert (decision.state.started_at, decision.state.ended_at) == (at(5), at(65))
    assert decision.cancel_native


def test_a_job_that_had_ended_before_a_controller_put_it_back_has_ended_so_once_slurm_tells_how_long_it_ran():
    ended = make_facts(make_rank(exit_code=0))
    decision = decide(make_row("PENDING", nodes=()), wrapper=ended)

    assert told(decision) == (S.STOPPING, None, None)
    assert decision.cancel_native
    cancelled = decide(make_row("CANCELLED", nodes=()), make_segment("CANCELLED", cancelled_by=1000), wrapper=ended)
    assert told(cancelled) == (S.SUCCEEDED, R.COMPLETED, F.NOBODY)
    half = make_facts(make_rank(exit_code=0), make_rank())
    assert decide(make_row("PENDING", nodes=()), wrapper=half).state.reason is R.PREEMPTED_BY_PROVIDER


def test_a_job_that_started_while_slurm_was_asked_waits_no_more_but_has_not_ended():
    decision = decide(make_row("PENDING", nodes=()), wrapper=make_facts(make_rank()), begun=False)

    assert decision.state.state is S.QUEUED
    assert not decision.cancel_native


@pytest.mark.parametrize("native", [None, make_row("RUNNING", started_at=at(300))])
def test_a_job_that_runs_again_is_not_our_attempt_any_more(native):
    again = make_segment("RUNNING", started_at=at(300), ended_at=None, submitted_at=at(100))
    decision = decide(native, make_segment("NODE_FAIL"), again, wrapper=make_facts(make_rank()))

    assert told(decision) == (S.PREEMPTED, R.PREEMPTED_BY_PROVIDER, F.PROVIDER)
    assert decision.cancel_native


def test_nothing_is_left_to_cancel_when_the_second_start_is_over():
    again = make_segment("CANCELLED", started_at=at(300), submitted_at=at(100))
    decision = decide(None, make_segment("REQUEUED"), again, wrapper=make_facts(make_rank()))

    assert decision.state.reason is R.PREEMPTED_BY_PROVIDER
    assert not decision.cancel_native


def test_a_start_that_failed_before_the_wrapper_began_is_no_end():
    again = make_segment("PENDING", started_at=None, ended_at=None, submitted_at=at(100), nodes=())
    decision = decide(make_row("PENDING", nodes=()), make_segment("BOOT_FAIL"), again)

    assert decision.state.state is S.QUEUED


@pytest.mark.parametrize("word", ["REQUEUED", "PREEMPTED", "NODE_FAIL"])
def test_a_job_that_only_accounting_knows_may_be_waiting_again(word):
    assert decide(None, make_segment(word), wrapper=make_facts(make_rank())).cancel_native
    assert not decide(None, make_segment("FAILED"), wrapper=make_facts(make_rank())).cancel_native


def test_a_job_that_was_put_back_before_its_wrapper_began_has_not_ended():
    assert decide(None, make_segment("REQUEUED")) == Decision(None)


def test_a_job_that_could_not_be_started_tells_its_exit():
    state = decide(make_row("FAILED"), make_segment("FAILED", exit_signal=53)).state

    assert state.detail == "The job failed, and its wrapper did not say how (exit code 0, signal 53)."


def test_a_job_that_slurm_does_not_show_now_has_not_ended_whatever_its_wrapper_says():
    assert decide(None, wrapper=make_facts(make_rank(exit_code=0))) == Decision(None)


@pytest.mark.parametrize("segments", [[], [make_segment("RUNNING", ended_at=None)]])
def test_a_job_that_slurm_has_long_forgotten_is_lost_unless_its_wrapper_said_how_it_ended(segments):
    lost = decide(None, *segments, wrapper=make_facts(make_rank()), forgotten=True)

    assert told(lost) == (S.LOST, R.NODE_LOST, F.PROVIDER)
    assert lost.state.ended_at == at(65)
    assert (
        decide(None, *segments, wrapper=make_facts(make_rank(exit_code=0)), forgotten=True).state.state is S.SUCCEEDED
    )
    assert told(decide(None, *segments, forgotten=True)) == (S.LOST, R.NODE_LOST, F.PROVIDER)
