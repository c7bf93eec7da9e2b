"""What the shims' files say together about one attempt."""

import pytest

from lilong.agent.ends import ENDS
from lilong.agent.engines.rank.parsing import JobFacts, RankFacts, parse_reports, parse_state, parse_usage
from lilong.foundation.runs.core.table import REASONS
from lilong.protocol.messages import AttemptState, Fault, Reason

NOON = "2026-03-01T12:00:00.000000Z"


def make_rank(*, alive=False, **end):
    told = {"cause": "", "exit_code": 0, "elapsed_ms": 5_000, "checkpoint_ms": 0, "started_at": NOON, "ended_at": NOON}
    return RankFacts(
        has_shim=True,
        alive=alive,
        same_boot=True,
        running=True,
        usage={"elapsed_ms": 4_000, "checkpoint_ms": 3_000, "authorised_ms": 9_000, "started_at": NOON},
        end=(told | end) if end else None,
        log_bytes=3,
    )


def make_job(*ranks, cancel=None, dispatched=True):
    return JobFacts(dispatched=dispatched, sandboxed=True, node_names=("here",), cancel=cancel, ranks=ranks)


def read_end(*ranks, cancel=None):
    state = parse_state(make_job(*ranks, cancel=cancel))
    return state.state, state.reason, state.fault


def test_every_end_of_the_agent_is_one_that_the_hub_knows():
    assert {reason: (rule.ends[0], rule.fault) for reason, rule in REASONS.items() if rule.ends} == dict(ENDS)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"exit_code": 0}, (AttemptState.SUCCEEDED, Reason.COMPLETED, Fault.NOBODY)),
        ({"exit_code": 2}, (AttemptState.FAILED, Reason.EXIT_NONZERO, Fault.MEMBER)),
        ({"exit_code": 139}, (AttemptState.FAILED, Reason.KILLED_BY_SIGNAL, Fault.MEMBER)),
        ({"exit_code": -9}, (AttemptState.FAILED, Reason.KILLED_BY_SIGNAL, Fault.MEMBER)),
        ({"cause": "memory_exceeded"}, (AttemptState.FAILED, Reason.MEMORY_EXCEEDED, Fault.MEMBER)),
        ({"cause": "walltime_reached"}, (AttemptState.TIMED_OUT, Reason.WALLTIME_REACHED, Fault.MEMBER)),
        ({"cause": "preempted_by_provider"}, (AttemptState.PREEMPTED, Reason.PREEMPTED_BY_PROVIDER, Fault.PROVIDER)),
        ({"cause": "launch_failed"}, (AttemptState.FAILED, Reason.ISOLATION_MISSING, Fault.PROVIDER)),
    ],
)
def test_the_end_of_one_rank_is_explained(end, expected):
    assert read_end(make_rank(**end)) == expected


def test_a_shim_that_vanished_is_lost_to_the_provider():
    assert read_end(make_rank()) == (AttemptState.FAILED, Reason.SHIM_LOST, Fault.PROVIDER)


def test_the_rank_that_failed_by_itself_explains_the_gang():
    first = make_rank(cause="peer_failed", exit_code=None, ended_at=NOON)
    second = make_rank(exit_code=7, ended_at="2026-03-01T12:00:09.000000Z")

    assert read_end(first, second) == (AttemptState.FAILED, Reason.EXIT_NONZERO, Fault.MEMBER)


def test_a_lost_rank_explains_a_gang_whose_others_were_only_stopped():
    assert read_end(make_rank(cause="peer_lost", exit_code=None), make_rank())[1] is Reason.SHIM_LOST


def test_a_stop_for_another_reason_than_the_hubs_is_no_cancellation():
    cancel = {"reason": "cancelled_by_member"}

    assert read_end(make_rank(cause="disk_exceeded"), cancel=cancel)[0] is AttemptState.FAILED
    assert read_end(make_rank(cause="cancelled_by_member"), cancel=cancel)[0] is AttemptState.CANCELLED


def test_an_end_is_told_only_when_no_rank_is_left():
    assert parse_state(make_job(make_rank(exit_code=1), make_rank(alive=True))).state is AttemptState.STOPPING


def test_a_job_that_was_stopped_in_the_queue_never_started():
    state = parse_state(make_job(dispatched=False, cancel={"reason": "cancelled_by_member"}))

    assert (state.state, state.started_at) == (AttemptState.CANCELLED, None)


def test_a_job_that_the_engine_withdrew_from_its_queue_was_refused_by_nobodys_fault():
    state = parse_state(make_job(dispatched=False, cancel={"reason": "queue_wait_exceeded"}))

    assert (state.state, state.reason, state.fault) == (
        AttemptState.REJECTED,
        Reason.QUEUE_WAIT_EXCEEDED,
        Fault.NOBODY,
    )


def test_a_gang_is_metered_while_all_ranks_run():
    metered = parse_usage(
        make_job(make_rank(elapsed_ms=9_000, checkpoint_ms=8_500), make_rank(elapsed_ms=7_000)),
        authorised_ms=1,
        reports=(),
    )

    assert (metered.usage.metered_ms, metered.usage.usable_ms) == (7_000, 7_000)


def test_a_report_that_was_cut_off_is_left_out():
    line = b'{"rank":0,"sequence":0,"kind":"start","elapsed_ms":0,"checkpoint_ms":0,"mac":"' + b"0" * 64 + b'"}\n'

    assert len(parse_reports(line + line[:40])) == 1
