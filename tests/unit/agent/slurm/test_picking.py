"""Of several native jobs with one name the first that started is the attempt's, and the others go."""

from dataclasses import replace

import pytest

from lilong.agent.engines.slurm.parsing import AccountedJob
from lilong.agent.engines.slurm.picking import Picked, pick_own
from tests.unit.agent.slurm.rows import at, make_row, make_segment


def running(job_id, *, since=0):
    return make_row("RUNNING", job_id=job_id, started_at=at(since))


def waiting(job_id):
    return make_row("PENDING", job_id=job_id, nodes=(), started_at=at(-9000))  # when it is expected to start


def withdrawn(job_id):
    return make_row("CANCELLED", job_id=job_id, nodes=())


def accounted(job_id, *, since=0):
    segment = make_segment("COMPLETED", job_id=job_id, started_at=at(since))
    return AccountedJob(job_id=job_id, uid=1000, name="lilong", segments=(segment,))


def pick(*rows, accounted=(), begun_as=None):
    picked = pick_own(rows=rows, accounted=accounted, begun_as=begun_as)
    number = picked.row.job_id if picked.row else picked.accounting.job_id if picked.accounting else None
    return number, picked.waiting, picked.started


def test_without_any_there_is_none():
    assert pick_own(rows=(), accounted=(), begun_as=7) == Picked()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([waiting(8), waiting(7)], (7, (8,), ())),
        ([waiting(7), running(8)], (8, (7,), ())),
        ([withdrawn(7), waiting(8)], (8, (), ())),
        ([withdrawn(7), withdrawn(8)], (7, (), ())),
        ([replace(running(7), state="COMPLETED"), waiting(8)], (7, (8,), ())),
        ([replace(running(7, since=50), state="FAILED"), running(8)], (8, (), ())),
    ],
)
def test_the_first_that_started_stays(rows, expected):
    assert pick(*rows) == expected
    assert pick(*reversed(rows)) == expected


def test_of_two_that_run_none_goes_before_it_is_known_in_which_the_wrapper_began():
    assert pick(running(7), running(8)) == (7, (), ())
    assert pick(running(7), running(8), begun_as=8) == (8, (), (7,))


def test_a_job_that_the_queue_has_forgotten_is_still_the_attempts():
    assert pick(waiting(9), begun_as=7)[0] == 9
    assert pick(waiting(9), accounted=[accounted(7)], begun_as=7) == (7, (9,), ())
    assert pick(waiting(9), accounted=[accounted(7)]) == (7, (9,), ())
    assert pick(accounted=[accounted(8, since=50), accounted(7)]) == (7, (), ())


def test_a_wrapper_that_names_a_job_of_which_nobody_knows_decides_nothing():
    assert pick(running(7), waiting(8), begun_as=999) == (7, (8,), ())


def test_what_cleans_up_needs_no_second_cancellation():
    assert pick(running(7), make_row("COMPLETING", job_id=8), begun_as=7) == (7, (), ())
