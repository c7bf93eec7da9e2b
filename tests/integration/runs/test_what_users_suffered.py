"""What users suffered elsewhere, row by row, shown at the hub with scripted agents and the real database.

| they suffered | tests here |
|---|---|
| one empty answer deleted a live cluster's record | empty_or_half_answers, only_several_complete_looks |
| orphans of a crash between create and commit cost money | crash_at_any_query, job_that_only_we, job_that_only_they |
| terminated in the database, alive outside | terminated_here |
| the hub away, idle burns | hub_is_away |
| ran free after an overdraft | budget_race |
| first offer retried for ever, or only one tried | candidates_are_tried |
| preemption loop | preempted |
| nobody says why it waits | every_waiting_run |

Who the job is on a shared cluster is shown where jobs have users: tests/attacks and the contract of each engine.
"""

import random
from contextlib import suppress
from itertools import count

import pytest
from django.db import connection, transaction

from lilong.common.errors import LilongError, NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.ledger.public import list_open_holds
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import NEVER_AGAIN, RunState
from lilong.foundation.runs.core.table import REASONS
from lilong.foundation.runs.models import Attempt, Run, UnknownAttempt
from lilong.foundation.runs.public import cancel_run
from lilong.foundation.runs.queries.pools import list_unknown_attempts
from lilong.foundation.runs.services.pools import set_draining
from lilong.platforms.supermarket.services.orders import place_order
from lilong.protocol.messages import AttemptState, Cancel, Fault, Locate, Reason, Release, Submit
from tests.books import available_uc
from tests.crowd import call_at_once
from tests.market import ask, found_buyer, open_stall, pay_in, wallet_of
from tests.people import join
from tests.pools import KEEPER, MEMBER, OPERATOR, at, look, make_spec, open_pool, settle, submit

pytestmark = pytest.mark.django_db
S = AttemptState
WORKERS = 50


class Killed(Exception):
    """The hub's process ended here."""


class KilledAtQuery:
    """Ends whatever runs inside it at one of its queries; later ones pass."""

    def __init__(self, number):
        self.left = number

    def __call__(self, execute, sql, params, many, context):
        self.left -= 1
        if self.left == 0:
            raise Killed
        return execute(sql, params, many, context)


def start_running(agent, *, seconds=1, **fields):
    """Submit a run and let it be seen running; return its id and the submission."""
    run_id = submit(agent, seconds=seconds, **fields)
    taken = agent.take(seconds=seconds)
    agent.sync(agent.see(taken, S.RUNNING, seconds=seconds + 1, ms=1_000), seconds=seconds + 1)
    return run_id, taken


def pick(response, kind):
    return [command for command in response.commands if isinstance(command, kind)]


# One empty answer deleted the record of a live cluster.


@pytest.mark.parametrize("seed", range(3))
def test_empty_or_half_answers_at_random_drop_no_live_attempt(agent, seed):
    chance = random.Random(seed)
    running = [start_running(agent, seconds=number) for number in range(4)]
    for second in range(20, 320):
        told = chance.choice([[], running[:2], running, chance.sample(running, 1)])
        seen = [agent.see(taken, S.RUNNING, seconds=second, ms=1_000) for _, taken in told]
        agent.complete = chance.random() < 0.5
        agent.sync(*seen, seconds=second)
        settle(seconds=second)

    assert {look(run_id, seconds=320).state for run_id, _ in running} == {RunState.ACTIVE}
    assert {row.state for row in Attempt.objects.all()} == {S.RUNNING}


def test_only_several_complete_looks_that_miss_it_in_the_accounting_too_lose_an_attempt(agent):
    run_id, taken = start_running(agent)
    gone = {"absent": [taken.attempt_id]}
    for second in (10, 16):
        agent.sync(seconds=second, **gone)
    agent.sync(agent.see(taken, S.RUNNING, seconds=17, ms=1_000), seconds=17)  # there after all: counted anew
    for second in (20, 26, 27, 28):
        agent.sync(seconds=second, complete=second < 27, **gone)
    alive = look(run_id).attempts[0].state
    agent.sync(seconds=32, **gone)
    lost = look(run_id).attempts[0]

    assert alive is S.RUNNING
    assert (lost.state, lost.reason, lost.fault, lost.billable_ms) == (S.LOST, Reason.NODE_LOST, Fault.PROVIDER, 0)


# A crash between create and commit left orphans that cost money.


class Cluster:
    """An engine that starts a job for each submission, and an agent that says everything until the hub answers.

    The first job fails by its provider, the second succeeds.
    """

    LIVES = (((S.STAGING, 0), (S.RUNNING, 500), (S.FAILED, 1_000)), ((S.SUCCEEDED, 2_000),))

    def __init__(self, agent):
        self.agent, self.jobs = agent, {}

    def live(self):
        for step in range(8):
            for command in pick(self.tell(step), Submit):
                self.jobs.setdefault(command.attempt_id, (command, step))

    def tell(self, step):
        """Say how every job is, ten seconds after the last time; again, if the hub is killed while it listens."""
        seen = []
        for (job, born), life in zip(self.jobs.values(), self.LIVES, strict=False):
            state, ms = life[min(step - born, len(life)) - 1]
            seen.append(self.agent.see(job, state, seconds=10 * step, ms=ms, reason=Reason.SHIM_LOST))
        while True:
            with suppress(Killed):
                return self.agent.sync(*seen, seconds=10 * step)


def test_a_crash_at_any_query_of_any_sync_leaves_no_orphan(agent):
    for number in count(1):
        run_id, cluster, crash = submit(agent), Cluster(agent), KilledAtQuery(number)
        with connection.execute_wrapper(crash):
            cluster.live()
        run = look(run_id, seconds=99)
        assert (run.state, run.billable_ms) == (RunState.SUCCEEDED, 2_000), f"killed at query {number}"
        assert [attempt.id for attempt in run.attempts] == list(cluster.jobs)
        if crash.left > 0:
            break

    assert number > 50
    assert not Attempt.objects.filter(settled_at=None).exists()
    assert not UnknownAttempt.objects.exists()


def test_a_job_that_only_we_know_starts_the_clock_of_the_lost_and_is_followed_by_another(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, S.SUBMITTED, seconds=2), seconds=2)
    asked = [pick(agent.sync(seconds=second, absent=[taken.attempt_id]), Locate) for second in (3, 9)]
    agent.sync(seconds=15, absent=[taken.attempt_id])
    another = agent.take(seconds=16)

    assert [command.token for [command] in asked] == [taken.token] * 2
    assert (look(run_id).attempts[0].state, another.number) == (S.LOST, 2)


def test_a_job_that_only_they_know_is_taken_on_when_the_token_is_ours(agent):
    run_id = submit(agent)
    with transaction.atomic():
        taken = agent.take(seconds=1)
        transaction.set_rollback(True)
    heard = agent.sync(agent.see(taken, S.RUNNING, seconds=5, ms=2_000), seconds=5)
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=6_000), seconds=9)
    run = look(run_id)

    assert not pick(heard, Submit)
    assert (run.state, [attempt.id for attempt in run.attempts]) == (RunState.SUCCEEDED, [taken.attempt_id])
    assert run.billable_ms == 6_000


def test_a_job_that_only_they_know_and_no_order_explains_is_listed_stopped_and_forgotten(agent):
    submit(agent)
    known = agent.take(seconds=1)
    ghost = known.model_copy(update={"attempt_id": "att_later", "token": "later"})
    live = agent.sync(agent.see(ghost, S.RUNNING, seconds=2, ms=500), seconds=2)
    ended = agent.sync(agent.see(ghost, S.CANCELLED, seconds=3, ms=1_500, reason=Reason.CANCELLED_BY_HUB), seconds=3)
    [row] = list_unknown_attempts(actor=OPERATOR, cursor=None, limit=10).items

    assert [command.attempt_id for command in pick(live, Cancel)] == ["att_later"]
    assert [command.attempt_id for command in pick(ended, Release)] == ["att_later"]
    assert (row.state, row.metered_ms, row.first_seen_at) == (S.CANCELLED, 1_500, at(2))
    with pytest.raises(NotAllowed):
        list_unknown_attempts(actor=MEMBER, cursor=None, limit=10)


# Terminated in the database, alive outside.


def test_what_is_terminated_here_and_alive_there_is_stopping_until_confirmed_and_charged_to_the_grace(agent):
    run_id, taken = start_running(agent)
    cancel_run(run_id=run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(12))
    settle(seconds=600)  # the network is cut: the order to stop does not arrive
    cut_off = look(run_id, seconds=600)
    asked = agent.sync(agent.see(taken, S.RUNNING, seconds=601, ms=600_000), seconds=601)
    stopping = look(run_id, seconds=602)
    ended = agent.see(taken, S.CANCELLED, seconds=620, ms=619_000, reason=Reason.CANCELLED_BY_MEMBER)
    agent.sync(ended, seconds=620)
    done = look(run_id)

    assert [command.attempt_id for command in pick(asked, Cancel)] == [taken.attempt_id]
    assert (cut_off.state, stopping.state, stopping.finished) == (RunState.STOPPING, RunState.STOPPING, False)
    assert "has not confirmed" in stopping.waiting_reason
    assert (done.state, done.fault) == (RunState.CANCELLED, Fault.MEMBER)
    assert done.billable_ms == 11_000 + 10_000  # from the start to the request, and the grace


def test_what_was_given_up_here_and_is_alive_there_is_cancelled_and_not_charged(agent):
    run_id, taken = start_running(agent, authorised_ms=60_000)
    settle(seconds=100_000)
    response = agent.sync(agent.see(taken, S.RUNNING, seconds=100_001, ms=50_000), seconds=100_001)

    assert [command.attempt_id for command in pick(response, Cancel)] == [taken.attempt_id]
    assert look(run_id).attempts[0].billable_ms == 0


# The hub is away and idle machines burn money.


@pytest.mark.parametrize("metered_ms", [60_000, 60_300, 3_000_000])
def test_a_hub_that_is_away_burns_nothing_beyond_the_authority(agent, metered_ms):
    run_id, taken = start_running(agent, authorised_ms=60_000)
    ended = agent.see(taken, S.TIMED_OUT, seconds=7_200, ms=metered_ms, reason=Reason.AUTHORITY_REACHED)
    agent.sync(ended, seconds=7_200)
    run = look(run_id)

    assert (taken.authorised_ms, run.billable_ms) == (60_000, 60_000)
    assert (run.state, run.reason, run.fault) == (RunState.TIMED_OUT, Reason.AUTHORITY_REACHED, Fault.MEMBER)


# Work ran for free after an overdraft.


@pytest.mark.django_db(transaction=True)
def test_a_budget_race_of_fifty_at_once_runs_nothing_that_no_hold_pays_for_and_every_refusal_says_why():
    seller, buyer = open_stall(), found_buyer(wallet_uc=0)
    colleagues = [join(buyer, Role.MEMBER) for _ in range(WORKERS)]
    views = [ask(actor) for actor in colleagues]
    pay_in(wallet_of(buyer), 7 * 150_000 + 149_999)
    found = call_at_once(
        lambda number: place_order(actor=colleagues[number], quote_id=views[number].id, now=at(1)), range(WORKERS)
    )

    placed = [each for each in found if isinstance(each, str)]
    refused = [each for each in found if isinstance(each, LilongError)]
    assert (len(placed), len(refused)) == (7, WORKERS - 7)
    assert {each.code for each in refused} <= {"order.funds_short", "ledger.short_of_funds"}
    assert all(each.detail for each in refused)
    assert available_uc(wallet_of(buyer)) == 149_999
    assert Run.objects.count() == len(list_open_holds(before=at(2), limit=50)) == 7
    assert len(pick(seller.agent.sync(seconds=2), Submit)) == 7


# The first offer was retried for ever, or only one was tried.


@pytest.mark.parametrize("seed", range(8))
def test_candidates_are_tried_in_order_and_each_try_is_recorded_with_its_reason(home, db, seed):
    chance = random.Random(seed)
    errors = [reason for reason, rule in REASONS.items() if rule.ends and rule.fault is not Fault.MEMBER]
    agents = [open_pool(name) for name in "abc"]
    run_id = submit(*agents, spec=make_spec(max_attempts=4))
    told: list[tuple[int, Reason, str]] = []
    seconds = 1
    while not look(run_id, seconds=seconds).finished:
        seconds += 1
        taken = {number: pick(agent.sync(seconds=seconds), Submit) for number, agent in enumerate(agents)}
        [(number, [job])] = [(number, jobs) for number, jobs in taken.items() if jobs]
        reason = chance.choice(errors)
        seconds += (job.queue_wait_s or 0) if reason is Reason.QUEUE_WAIT_EXCEEDED else 0
        for other in agents:
            other.sync(seconds=seconds)
        state, detail = chance.choice(REASONS[reason].ends), f"error {len(told)}"
        agents[number].sync(
            agents[number].see(job, state, seconds=seconds, reason=reason, detail=detail), seconds=seconds
        )
        told.append((number, reason, detail))
        settle(seconds=seconds)
    run, order = look(run_id), [number for number, _, _ in told]

    assert [attempt.ref for attempt in run.attempts] == [f"offer_{number}" for number in order]
    assert all(attempt.reason is reason for attempt, (_, reason, _) in zip(run.attempts, told, strict=True))
    assert all(detail in attempt.detail for attempt, (_, _, detail) in zip(run.attempts, told, strict=True))
    assert order == expect_order(told, pools=len(agents))
    assert len([reason for _, reason, _ in told if reason is not Reason.QUEUE_WAIT_EXCEEDED]) <= 4 + len(agents)
    assert run.state in {RunState.FAILED, RunState.SUCCEEDED, RunState.CANCELLED}


def expect_order(told, *, pools):
    """Return the candidates in turn, but for those that can never take the spec."""
    order, barred, position = [], set(), -1
    for _, reason, _ in told:
        position = next(
            step % pools for step in range(position + 1, position + 1 + pools) if step % pools not in barred
        )
        order.append(position)
        barred |= {position} if reason in NEVER_AGAIN else set()
    return order


# Preempted, started, preempted, for ever.


def test_a_run_is_preempted_so_often_and_no_more(home, db):
    agents = [open_pool(name) for name in "ab"]
    run_id = submit(*agents, spec=make_spec(max_attempts=20))
    for number in range(POLICY.preemptions_max + 1):
        agent, seconds = agents[number % 2], 10 * number + 1
        agents[1 - number % 2].sync(seconds=seconds)
        taken = agent.take(seconds=seconds)
        agent.sync(
            agent.see(taken, S.PREEMPTED, seconds=seconds + 5, ms=4_000, reason=Reason.PREEMPTED_BY_PROVIDER),
            seconds=seconds + 5,
        )
    run = look(run_id)

    assert (run.state, run.reason, run.fault) == (RunState.FAILED, Reason.PREEMPTED_BY_PROVIDER, Fault.PROVIDER)
    assert (run.detail, len(run.attempts), run.billable_ms) == ("It was preempted 6 times.", 6, 0)
    assert not any(pick(agent.sync(seconds=99), Submit) for agent in agents)


# Nobody says why it waits.


class Walk:
    """One run on two pools to which things happen by chance."""

    def __init__(self, chance):
        self.chance, self.seconds, self.taken = chance, 0, {}
        self.agents = [open_pool(name) for name in "ab"]
        self.run_id = submit(*self.agents)

    def step(self):
        self.seconds += self.chance.choice([0, 1, 5, 40, 130])
        acts = [self.speak, self.drain, self.cancel, lambda: settle(seconds=self.seconds)]
        (act,) = self.chance.choices(acts, weights=[12, 2, 0.2, 3])
        act()
        return look(self.run_id, seconds=self.seconds)

    def speak(self):
        number = self.chance.randrange(2)
        agent, job, seen = self.agents[number], self.taken.get(number), []
        if job is not None:
            state = self.chance.choice([S.SUBMITTED, S.QUEUED, S.STAGING, S.STARTING, S.RUNNING, S.SUSPENDED, S.FAILED])
            reason = self.chance.choice([Reason.WAITING_FOR_CAPACITY, None])
            fields = {"outputs_complete": self.chance.random() < 0.5} if state is S.FAILED else {"reason": reason}
            seen = [agent.see(job, state, seconds=self.seconds, **fields)]
        for command in pick(agent.sync(*seen, seconds=self.seconds), Submit):
            self.taken[number] = command

    def drain(self):
        pool = self.chance.choice(self.agents).pool_id
        set_draining(actor=KEEPER, pool_id=pool, draining_at=self.chance.choice([None, at(self.seconds)]))

    def cancel(self):
        cancel_run(run_id=self.run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(self.seconds))


@pytest.mark.parametrize("seed", range(12))
def test_every_waiting_run_says_why_in_plain_words(home, db, seed):
    walk = Walk(random.Random(seed))
    for _ in range(60):
        run = walk.step()
        is_at_work = run.attempts[-1].state is S.RUNNING
        if run.finished:
            break
        assert run.waiting_reason or is_at_work, run
        assert "_" not in run.waiting_reason
        assert "None" not in run.waiting_reason
