import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lilong.foundation.runs.models import Attempt, Meter
from lilong.foundation.runs.public import get_runs
from lilong.foundation.runs.queries.runs import list_runs
from lilong.protocol.messages import AttemptState, CheckpointNote, Reason, Submit
from tests.pools import MEMBER, at, look, open_pool, submit

pytestmark = pytest.mark.django_db
S = AttemptState


def start_many(agent, count):
    """Let `count` runs of one pool be submitted and seen running; return the submits."""
    for _ in range(count):
        submit(agent)
    taken: dict[str, Submit] = {}
    seconds = 0
    while len(taken) < count:
        seconds += 1
        commands = agent.sync(*[agent.see(one, S.STARTING, seconds=seconds) for one in taken.values()], seconds=seconds)
        taken |= {one.attempt_id: one for one in commands.commands if isinstance(one, Submit)}
    return list(taken.values())


def tell_all(agent, taken, state, *, seconds, ms, **fields):
    return [agent.see(one, state, seconds=seconds, ms=ms, **fields) for one in taken]


def count_queries(act):
    with CaptureQueriesContext(connection) as captured:
        act()
    return [query["sql"].split()[0:4] for query in captured.captured_queries]


def count_all(name, count):
    """Return how many queries each kind of sync of a pool with `count` attempts takes."""
    agent = open_pool(name)
    taken = start_many(agent, count)
    note = CheckpointNote(manifest_sha256="c" * 64, size_bytes=1)
    strangers = [one.model_copy(update={"attempt_id": f"att_x{number}"}) for number, one in enumerate(taken)]
    end = {"reason": Reason.EXIT_NONZERO, "outputs_complete": False}
    words = {
        "start": tell_all(agent, taken, S.RUNNING, seconds=50, ms=1_000),
        "run": tell_all(agent, taken, S.RUNNING, seconds=60, ms=9_000),
        "checkpoint": tell_all(agent, taken, S.RUNNING, seconds=70, ms=19_000, checkpoint=note),
        "repeat": tell_all(agent, taken, S.RUNNING, seconds=70, ms=19_000, checkpoint=note),
        "silent": [],
        "unknown": tell_all(agent, strangers, S.RUNNING, seconds=80, ms=1_000),
        "end": tell_all(agent, taken, S.FAILED, seconds=90, ms=25_000, **end),
    }
    return {kind: len(count_queries(lambda said=said: agent.sync(*said, seconds=100))) for kind, said in words.items()}


def test_a_sync_takes_as_many_queries_for_many_attempts_as_for_few():
    few, many = count_all("few", 2), count_all("many", 40)
    in_bulk = {kind: count for kind, count in many.items() if kind != "start"}

    assert in_bulk == {kind: few[kind] for kind in in_bulk}
    assert max(in_bulk.values()) <= 16


def test_what_one_sync_brings_forward_is_bounded():
    agent = open_pool()
    taken = start_many(agent, 60)
    agent.sync(*tell_all(agent, taken, S.SUCCEEDED, seconds=90, ms=5_000), seconds=90)
    finished = sum(look(one.run_id).finished for one in taken)

    assert finished == 50


def list_written(act):
    """Return the tables of attempts and meters that are written."""
    tables = {f'"{model._meta.db_table}"' for model in (Attempt, Meter)}
    writes = [query for query in count_queries(act) if query[0] in {"INSERT", "UPDATE"}]
    return [word for query in writes for word in query[1:3] if word in tables]


def test_a_sync_that_says_nothing_new_writes_no_attempt():
    agent = open_pool()
    taken = start_many(agent, 3)
    said = tell_all(agent, taken, S.RUNNING, seconds=50, ms=1_000)
    agent.sync(*said, seconds=50)

    assert list_written(lambda: agent.sync(*said, seconds=51)) == []


def test_progress_alone_writes_meters_alone():
    agent = open_pool()
    taken = start_many(agent, 3)
    agent.sync(*tell_all(agent, taken, S.RUNNING, seconds=50, ms=1_000), seconds=50)
    said = tell_all(agent, taken, S.RUNNING, seconds=60, ms=9_000)

    assert list_written(lambda: agent.sync(*said, seconds=60)) == ['"runs_meter"']


def test_reading_runs_takes_as_many_queries_for_many_as_for_few():
    agent = open_pool()
    ids = [submit(agent) for _ in range(12)]

    assert len(count_queries(lambda: get_runs(run_ids=ids[:2], now=at(1)))) == len(
        count_queries(lambda: get_runs(run_ids=ids, now=at(1)))
    )
    assert len(count_queries(lambda: list_runs(actor=MEMBER, cursor=None, limit=12, now=at(1)))) <= 5
