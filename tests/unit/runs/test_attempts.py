from dataclasses import replace

from lilong.foundation.runs.core.attempts import decide_absence, decide_attempt
from lilong.foundation.runs.core.policy import Policy
from lilong.protocol.messages import Artefact, AttemptState, CheckpointNote, Fault, Reason
from tests.unit.runs.attempts import EVERYTHING, at, follow, make_attempt, observe, sign_reports

S = AttemptState
POLICY = Policy(misses_until_lost=3, lost_after_s=10)
RUNNING = make_attempt(state=S.RUNNING, started_at=at(1), observed_at=at(2), offered_at=at(0))


def miss(attempt, *, seconds, stopped_at=None, sent=None):
    sent_at = at(seconds if sent is None else sent)
    return decide_absence(attempt, sent_at=sent_at, stopped_at=stopped_at, now=at(seconds), policy=POLICY)


def test_one_look_that_misses_a_job_changes_nothing_but_the_count():
    attempt = miss(RUNNING, seconds=100)

    assert attempt.state is S.RUNNING
    assert attempt.missing.count == 1


def test_misses_within_a_moment_do_not_make_a_job_lost():
    attempt = RUNNING
    for tenth in range(30):
        attempt = miss(attempt, seconds=100 + tenth / 10)

    assert attempt.state is S.RUNNING


def test_a_repeated_message_counts_as_one_look():
    attempt = RUNNING
    for seconds in (100, 110, 120, 130):
        attempt = miss(attempt, seconds=seconds, sent=100)

    assert attempt.missing.count == 1


def test_a_job_is_lost_by_the_provider_after_enough_complete_looks():
    attempt = RUNNING
    for seconds in (100, 106, 112):
        attempt = miss(attempt, seconds=seconds)

    assert (attempt.state, attempt.reason, attempt.fault) == (S.LOST, Reason.NODE_LOST, Fault.PROVIDER)
    assert attempt.settled_at == at(112)


def test_a_job_that_is_seen_again_starts_the_count_anew():
    attempt = miss(miss(RUNNING, seconds=100), seconds=106)
    attempt = follow(attempt, observe(S.RUNNING, seconds=108))
    attempt = miss(attempt, seconds=112)

    assert attempt.state is S.RUNNING
    assert attempt.missing.count == 1


def test_a_stop_that_no_job_ever_felt_is_a_cancellation():
    attempt = make_attempt(offered_at=at(0))
    for seconds in (100, 106, 112):
        attempt = miss(attempt, seconds=seconds, stopped_at=at(90))

    assert attempt.state is S.CANCELLED


def test_an_end_is_final():
    attempt = follow(make_attempt(), observe(S.FAILED, seconds=5, reason=Reason.EXIT_NONZERO))

    later = follow(attempt, observe(S.RUNNING, seconds=9), observe(S.SUCCEEDED, seconds=10))

    assert (later.state, later.reason, later.fault) == (S.FAILED, Reason.EXIT_NONZERO, Fault.MEMBER)


def test_an_agent_cannot_shift_blame_to_the_member_or_to_nobody():
    for claimed in (Fault.MEMBER, Fault.NOBODY, Fault.HUB):
        attempt = follow(make_attempt(), observe(S.FAILED, seconds=5, reason=Reason.SHIM_LOST, fault=claimed))
        assert attempt.fault is Fault.PROVIDER


def test_an_agent_may_take_blame_on_its_provider():
    end = observe(S.FAILED, seconds=5, reason=Reason.KILLED_BY_SIGNAL, fault=Fault.PROVIDER)

    assert follow(make_attempt(), end).fault is Fault.PROVIDER


def test_a_cancellation_that_nobody_asked_for_is_the_providers_fault():
    end = observe(S.CANCELLED, seconds=5, reason=Reason.CANCELLED_BY_MEMBER)
    unasked = follow(make_attempt(), end)
    asked = decide_attempt(make_attempt(), end, kept=EVERYTHING, stopped_at=at(4), now=at(6))

    assert (unasked.fault, asked.fault) == (Fault.PROVIDER, Fault.MEMBER)


def test_work_that_ran_cannot_be_rejected():
    attempt = follow(RUNNING, observe(S.REJECTED, seconds=5, reason=Reason.ENGINE_REFUSED))

    assert (attempt.state, attempt.fault) == (S.FAILED, Fault.PROVIDER)


def test_the_newest_word_decides_between_running_and_suspended():
    attempt = follow(RUNNING, observe(S.SUSPENDED, seconds=20), observe(S.RUNNING, seconds=10))

    assert attempt.state is S.SUSPENDED


def test_outputs_are_complete_only_when_the_hub_holds_every_one():
    artefact = Artefact(path="model.bin", sha256="a" * 64, size_bytes=1)
    end = observe(S.SUCCEEDED, seconds=9, artefacts=(artefact,), outputs_complete=True)

    assert follow(make_attempt(), end, kept=set()).settled_at is None
    assert follow(make_attempt(), end, kept={"a" * 64}).settled_at == at(10)


def test_an_attempt_is_not_settled_while_reports_are_on_their_way():
    reports = sign_reports([5_000, 9_000], end=True)
    end = observe(S.SUCCEEDED, seconds=9, metered_ms=9_000, outputs_complete=True, report_counts={0: 3})
    waiting = follow(make_attempt(), end)

    settled = follow(waiting, end.model_copy(update={"reports": reports}))

    assert waiting.settled_at is None
    assert settled.settled_at is not None
    assert settled.chains[0].elapsed_ms == 9_000


def test_nothing_billed_changes_after_settlement():
    end = observe(S.SUCCEEDED, seconds=9, metered_ms=9_000, outputs_complete=True)
    settled = follow(make_attempt(), end)
    note = CheckpointNote(manifest_sha256="c" * 64, size_bytes=1)

    later = follow(settled, observe(S.SUCCEEDED, seconds=99, metered_ms=99_000, checkpoint=note, log_bytes={0: 7}))

    assert later == replace(settled, log_bytes={0: 7})


def test_no_meter_runs_ahead_of_the_time_that_passed():
    attempt = follow(make_attempt(), observe(S.RUNNING, seconds=9, metered_ms=3_600_000, usable_ms=3_600_000))

    assert (attempt.metered_ms, attempt.usable_ms) == (10_000, 10_000)


def test_a_checkpoint_counts_once_the_hub_holds_it():
    note = CheckpointNote(manifest_sha256="c" * 64, size_bytes=1)
    seen = observe(S.RUNNING, seconds=9, checkpoint=note)

    assert follow(RUNNING, seen, kept=set()).checkpoint is None
    assert follow(RUNNING, seen).checkpoint == note
