"""When a run that queues is expected to start: the word of an engine's scheduler, kept while it queues."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lilong.foundation.runs.core.waiting import StartBasis
from lilong.foundation.runs.models import Meter
from lilong.protocol.messages import AttemptState, Observation, Reason
from tests.pools import at, look, open_pool, submit

pytestmark = pytest.mark.django_db
S = AttemptState
WORDS = "Jobs with a higher priority wait before it."


@pytest.fixture
def agent(home, db):
    return open_pool()


@pytest.fixture
def run_id(agent):
    return submit(agent)


@pytest.fixture
def taken(agent, run_id):
    return agent.take(seconds=1)


def tell(agent, taken, state, *, seconds, **fields):
    agent.sync(agent.see(taken, state, seconds=seconds, **fields), seconds=seconds)


def queue(agent, taken, *, seconds, expected_start_at=None):
    waits = {"reason": Reason.WAITING_FOR_CAPACITY, "detail": WORDS}
    tell(agent, taken, S.QUEUED, seconds=seconds, expected_start_at=expected_start_at, **waits)


def read_expected(run_id, *, seconds=9):
    run = look(run_id, seconds=seconds)
    return run.expected_start_at, run.expected_start_basis


def test_a_run_in_a_queue_says_why_and_when_it_is_expected_to_start(agent, run_id, taken):
    tell(agent, taken, S.STAGING, seconds=2)  # an agent brings inputs before the engine has the job
    queue(agent, taken, seconds=3, expected_start_at=at(900))

    assert look(run_id, seconds=4).waiting_reason == (
        "it waits in pool embedded: jobs with a higher priority wait before it"
    )
    assert read_expected(run_id) == (at(900), StartBasis.SCHEDULER)


def test_where_the_engine_does_not_say_it_is_unknown(agent, run_id, taken):
    queue(agent, taken, seconds=2)

    assert read_expected(run_id) == (None, StartBasis.UNKNOWN)


def test_the_newest_word_counts_and_none_is_left_once_it_starts(agent, run_id, taken):
    queue(agent, taken, seconds=3, expected_start_at=at(900))
    queue(agent, taken, seconds=2, expected_start_at=at(100))
    newest = read_expected(run_id)
    queue(agent, taken, seconds=4)
    withdrawn = read_expected(run_id)
    queue(agent, taken, seconds=5, expected_start_at=at(800))
    tell(agent, taken, S.STARTING, seconds=6)

    assert (newest, withdrawn) == ((at(900), StartBasis.SCHEDULER), (None, StartBasis.UNKNOWN))
    assert read_expected(run_id) == (None, None)
    assert Meter.objects.get().expected_start_at is None


def test_the_word_of_an_agent_that_is_away_is_not_repeated(agent, run_id, taken):
    queue(agent, taken, seconds=2, expected_start_at=at(900))

    assert read_expected(run_id, seconds=60) == (None, StartBasis.UNKNOWN)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime(2473, 1, 1, tzinfo=UTC),
    ],
)
def test_a_moment_that_no_clock_could_mean_is_no_estimate(agent, run_id, taken, moment):
    queue(agent, taken, seconds=2, expected_start_at=moment)

    assert read_expected(run_id) == (None, StartBasis.UNKNOWN)


def test_an_agent_that_knows_no_expected_start_is_understood(agent, run_id, taken):
    seen = agent.see(taken, S.QUEUED, seconds=2, reason=Reason.WAITING_FOR_CAPACITY)
    agent.sync(Observation.model_validate(seen.model_dump(mode="json", exclude={"expected_start_at"})), seconds=2)

    assert read_expected(run_id) == (None, StartBasis.UNKNOWN)
