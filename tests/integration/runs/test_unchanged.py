"""What an agent names as unchanged costs the hub nothing, and is forgotten by nobody."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from lilong.foundation.runs.models import Attempt
from lilong.foundation.runs.public import cancel_run, extend_authority
from lilong.foundation.runs.services.sync import sync
from lilong.protocol.messages import AttemptState, Cancel, Extend, Locate, Reason, Submit, SyncRequest
from tests.pools import at, make_inventory, make_spec, open_pool, submit

pytestmark = pytest.mark.django_db(transaction=True)

S = AttemptState


def name(agent, *unchanged, seconds, told=()):
    """Let the agent name attempts as unchanged, and tell of others."""
    request = SyncRequest(
        protocol_version=1,
        agent_version="0.1.0",
        epoch=agent.epoch,
        boot_id=agent.boot_id,
        sent_at=at(seconds),
        complete=True,
        inventory=make_inventory(),
        unchanged=unchanged,
        observations=told,
    )
    return sync(pool_id=agent.pool_id, request=request, now=at(seconds))


def start(agent, count=1):
    runs = [submit(agent) for _ in range(count)]
    taken = [one for one in agent.sync(seconds=1).commands if isinstance(one, Submit)]
    agent.sync(*(agent.see(one, S.RUNNING, seconds=2, ms=1_000) for one in taken), seconds=2)
    return runs, taken


def test_an_unchanged_attempt_is_neither_lost_nor_looked_for():
    agent = open_pool()
    _, [taken] = start(agent)
    answers = [name(agent, taken.attempt_id, seconds=10 * number) for number in range(1, 9)]

    assert not any(answer.commands for answer in answers)
    assert Attempt.objects.get().state == S.RUNNING


def test_what_is_neither_told_nor_named_is_looked_for_as_before():
    agent = open_pool()
    _, [first, second] = start(agent, 2)
    [asked] = name(agent, first.attempt_id, seconds=10).commands

    assert (type(asked), asked.attempt_id) == (Locate, second.attempt_id)


def test_an_unchanged_attempt_is_cancelled_when_its_run_is():
    agent = open_pool()
    [run_id], [taken] = start(agent)
    with transaction.atomic():
        cancel_run(run_id=run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(5))
    [command] = name(agent, taken.attempt_id, seconds=6).commands

    assert (type(command), command.attempt_id) == (Cancel, taken.attempt_id)


def test_more_authority_is_given_once_the_attempt_was_told_of_again():
    agent = open_pool()
    [run_id], [taken] = start(agent)
    with transaction.atomic():
        extend_authority(run_id=run_id, authorised_ms=900_000)
    [asked] = name(agent, taken.attempt_id, seconds=6).commands
    [given] = name(agent, seconds=7, told=(agent.see(taken, S.RUNNING, seconds=7, ms=6_000),)).commands

    assert (type(asked), type(given)) == (Locate, Extend)


def test_a_job_that_was_given_up_here_and_is_named_as_alive_is_cancelled():
    agent = open_pool()
    submit(agent, spec=make_spec(max_attempts=1))
    [taken] = [one for one in agent.sync(seconds=1).commands if isinstance(one, Submit)]
    agent.sync(agent.see(taken, S.LOST, seconds=5, ms=3_000, outputs_complete=True), seconds=5)
    assert Attempt.objects.get(id=taken.attempt_id).settled_at is not None
    [command] = name(agent, taken.attempt_id, seconds=6).commands

    assert (type(command), command.attempt_id) == (Cancel, taken.attempt_id)


def test_an_unchanged_job_that_no_order_explains_is_asked_for():
    agent = open_pool()
    stranger = "att_" + "7" * 32
    [command] = name(agent, stranger, seconds=6).commands

    assert (type(command), command.attempt_id) == (Locate, stranger)


def test_forty_unchanged_attempts_cost_no_more_queries_than_one():
    agent = open_pool()
    _, taken = start(agent, 40)
    told = [agent.see(one, S.RUNNING, seconds=10, ms=9_000) for one in taken]
    costs = []
    for count in (1, 40):
        with CaptureQueriesContext(connection) as captured:
            answer = name(agent, *(one.attempt_id for one in taken[:count]), seconds=10, told=tuple(told[count:]))
        assert not answer.commands
        costs.append(len(captured))

    assert costs[1] <= costs[0]
