from dataclasses import replace

import pytest
from django.db import transaction

from lilong.foundation.outbox.models import WaitingEvent
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.models import Attempt
from lilong.foundation.runs.public import Candidate, cancel_run, extend_authority, submit_run
from lilong.foundation.runs.queries.runs import RunMissing, get_run, list_runs
from lilong.foundation.runs.services.logs import append_log
from lilong.foundation.runs.services.runs import RunDiffers, SubmissionInvalid
from lilong.protocol.messages import AttemptState, Extend, Fault, Reason, Release, Submit
from tests.pools import MEMBER, ORGANISATION, at, look, make_lock, make_spec, open_pool, settle, submit

pytestmark = pytest.mark.django_db
S = AttemptState


def list_events(name):
    return [event.payload["run_id"] for event in WaitingEvent.objects.filter(name=name)]


def kinds(response):
    return [command.kind for command in response.commands]


def test_a_run_goes_from_submission_to_its_end_and_is_billed_what_both_meters_say(agent):
    run_id = submit(agent)
    assert look(run_id).state is RunState.PENDING

    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.RUNNING, seconds=6, ms=5_000), seconds=6)
    running = look(run_id, seconds=6)
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=12, ms=10_500), seconds=12)
    done = look(run_id, seconds=12)

    assert (running.state, running.waiting_reason, running.billable_ms) == (RunState.ACTIVE, "", 5_000)
    assert (done.state, done.reason, done.fault) == (RunState.SUCCEEDED, Reason.COMPLETED, Fault.NOBODY)
    assert (done.billable_ms, done.finished, done.attempts[0].final) == (10_500, True, True)
    assert list_events("runs.run_started") == list_events("runs.run_finished") == [run_id]


def test_a_submission_repeats_until_it_is_observed(agent):
    submit(agent)
    first = agent.take(seconds=1)

    assert agent.take(seconds=2) == first
    assert "submit" not in kinds(agent.sync(agent.see(first, S.STAGING, seconds=3), seconds=3))


def test_submitting_again_changes_nothing_and_another_run_of_that_id_is_refused(agent):
    def again(spec):
        submit_run(
            run_id=run_id,
            organisation_id=ORGANISATION,
            person_id=MEMBER.person_id,
            spec=spec,
            candidates=[Candidate(pool_id=agent.pool_id, rank_cost=0, ref="offer")],
            locks={agent.pool_id: make_lock()},
            authorised_ms=600_000,
            now=at(5),
        )

    run_id = submit(agent)
    again(make_spec())

    assert Attempt.objects.filter(run_id=run_id).count() == 1
    with pytest.raises(RunDiffers):
        again(make_spec(command="something else"))


def test_a_run_without_a_pool_is_refused(agent):
    with pytest.raises(SubmissionInvalid), transaction.atomic():
        submit()


def test_a_fault_of_the_provider_is_not_billed_and_followed_by_another_attempt(agent):
    run_id = submit(agent, authorised_ms=60_000)
    first = agent.take(seconds=1)
    agent.sync(agent.see(first, S.FAILED, seconds=30, ms=20_000, reason=Reason.SHIM_LOST), seconds=30)

    second = agent.take(seconds=31)
    agent.sync(agent.see(second, S.SUCCEEDED, seconds=60, ms=25_000), seconds=60)
    done = look(run_id)

    assert (second.number, second.attempt_id != first.attempt_id) == (2, True)
    assert second.authorised_ms == 60_000
    assert [attempt.billable_ms for attempt in done.attempts] == [0, 25_000]
    assert done.state is RunState.SUCCEEDED


def test_a_refusal_moves_on_to_the_next_candidate(agent):
    other = open_pool("other")
    run_id = submit(agent, other)
    refused = agent.take(seconds=1)
    agent.sync(agent.see(refused, S.REJECTED, seconds=2, reason=Reason.ENGINE_REFUSED), seconds=2)

    assert other.take(seconds=3).number == 2
    assert [attempt.ref for attempt in look(run_id).attempts] == ["offer_0", "offer_1"]


def test_a_pool_that_is_away_is_passed_over():
    away, near = open_pool("away", seconds=-100), open_pool("near", seconds=-1)
    submit(away, near)

    assert near.take(seconds=1).number == 1


def test_a_run_cancelled_before_anybody_was_told_ends_without_the_agent(agent):
    run_id = submit(agent)
    cancel_run(run_id=run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(1))
    settle(seconds=2)

    assert look(run_id).state is RunState.CANCELLED
    assert kinds(agent.sync(seconds=3)) == []


def test_a_cancellation_of_a_submission_that_never_arrived_is_done_when_the_agent_knows_nothing(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    cancel_run(run_id=run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(2))
    for seconds in (3, 9, 15):
        assert kinds(agent.sync(seconds=seconds, absent=[taken.attempt_id])) == (["cancel"] if seconds < 15 else [])

    assert look(run_id).state is RunState.CANCELLED


def test_authority_is_extended_until_the_agent_enforces_it(agent):
    run_id = submit(agent, authorised_ms=60_000)
    taken = agent.take(seconds=1)
    extend_authority(run_id=run_id, authorised_ms=90_000)
    seen = agent.see(taken, S.RUNNING, seconds=5, ms=3_000)
    response = agent.sync(seen, seconds=5)

    enforced = seen.model_copy(update={"usage": seen.usage.model_copy(update={"authorised_ms": 90_000})})

    assert [command.authorised_ms for command in response.commands if isinstance(command, Extend)] == [90_000]
    assert kinds(agent.sync(enforced, seconds=6)) == []


def test_an_extension_after_the_end_does_not_change_the_bill(agent):
    run_id = submit(agent, authorised_ms=10_000)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.TIMED_OUT, seconds=30, ms=10_300, reason=Reason.AUTHORITY_REACHED), seconds=30)
    before = look(run_id)
    extend_authority(run_id=run_id, authorised_ms=90_000)

    assert (before.state, before.billable_ms) == (RunState.TIMED_OUT, 10_000)
    assert look(run_id).billable_ms == 10_000


def test_what_the_hub_has_is_released_and_only_then(agent):
    submit(agent)
    taken = agent.take(seconds=1)
    ended = agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, log_bytes={0: 3})

    assert kinds(agent.sync(ended, seconds=9)) == []
    append_log(pool_id=agent.pool_id, attempt_id=taken.attempt_id, rank=0, offset=0, content=b"abc")
    assert [type(command) for command in agent.sync(ended, seconds=10).commands] == [Release]


def test_outputs_that_never_come_hold_nobody_up_for_ever(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, outputs_complete=False), seconds=9)
    settle(seconds=900)
    assert not look(run_id).finished
    settle(seconds=910)

    assert look(run_id).state is RunState.SUCCEEDED
    assert look(run_id).billable_ms == 5_000


def test_a_silent_agent_is_said_to_be_away_and_nothing_is_called_lost(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.RUNNING, seconds=6, ms=5_000), seconds=6)
    settle(seconds=3600)
    waiting = look(run_id, seconds=46)

    assert waiting.waiting_reason == "the agent of pool embedded has not reported for 40s"
    assert look(run_id).state is RunState.ACTIVE


def test_a_pool_that_stays_away_for_a_day_beyond_the_authority_loses_the_attempt(agent):
    run_id = submit(agent, authorised_ms=60_000)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.RUNNING, seconds=6, ms=5_000), seconds=6)
    settle(seconds=6 + 55 + 10 + 24 * 3600 + 1)
    lost = look(run_id).attempts[0]

    assert (lost.state, lost.reason, lost.fault, lost.billable_ms) == (S.LOST, Reason.AGENT_LOST, Fault.PROVIDER, 0)


def test_a_run_is_bounded_in_attempts(agent):
    run_id = submit(agent, spec=make_spec(max_attempts=2))
    for number in (1, 2):
        taken = agent.take(seconds=10 * number)
        assert taken.number == number
        agent.sync(
            agent.see(taken, S.FAILED, seconds=10 * number + 5, ms=1_000, reason=Reason.NODE_LOST),
            seconds=10 * number + 5,
        )

    assert look(run_id).state is RunState.FAILED
    assert not [command for command in agent.sync(seconds=99).commands if isinstance(command, Submit)]


def test_other_organisations_see_no_run(agent):
    run_id = submit(agent)
    stranger = replace(MEMBER, organisation_id="org_other")

    assert get_run(actor=MEMBER, run_id=run_id, now=at(1)).id == run_id
    assert list_runs(actor=stranger, cursor=None, limit=10, now=at(1)).items == []
    with pytest.raises(RunMissing):
        get_run(actor=stranger, run_id=run_id, now=at(1))
