"""How long a job ran, by queue and accounting."""

import pytest

from lilong.agent.engines.slurm.states import meter_accounting, meter_queue
from tests.unit.agent.slurm.rows import at, make_row, make_segment


@pytest.mark.parametrize(
    ("segments", "metered_s"),
    [
        ([make_segment("COMPLETED")], 100),
        ([make_segment("COMPLETED", elapsed_s=3, suspended_s=97)], 3),
        ([make_segment("NODE_FAIL"), make_segment("COMPLETED", started_at=at(300), elapsed_s=900)], 100),
    ],
)
def test_accounting_supports_the_time_of_our_own_start(segments, metered_s):
    assert meter_accounting(segments=segments) == metered_s * 1000


@pytest.mark.parametrize(
    "segments",
    [
        [],
        [make_segment("PENDING", started_at=None, ended_at=None, nodes=())],
        [make_segment("RUNNING", ended_at=None, elapsed_s=3)],
    ],
)
def test_accounting_meters_nothing_before_it_knows_an_end(segments):
    assert meter_accounting(segments=segments) is None


@pytest.mark.parametrize(("ended_at", "metered_s"), [(at(65), 65), (at(900), 90), (at(-1), 0)])
def test_of_a_job_that_its_controller_has_forgotten_accounting_supports_the_time_to_its_end(ended_at, metered_s):
    segments = [make_segment("RUNNING", ended_at=None, elapsed_s=90)]

    assert meter_accounting(segments=segments, began_at=at(5), ended_at=ended_at) == metered_s * 1000


@pytest.mark.parametrize(
    ("row", "called_s", "metered_s"),
    [
        (make_row("PENDING"), -60, 0),
        (make_row("RUNNING"), -60.9, 90),
        (make_row("RUNNING"), -59.1, 90),
        (make_row("RUNNING", elapsed_s=3690), 3540.7, 90),  # our clock is an hour ahead of the controller's
        (make_row("RUNNING", elapsed_s=3600), 7200, 0),
        (make_row("COMPLETED"), 3540, 90),  # of what has ended squeue knows both moments from the controller
        (make_row("RUNNING"), -3660, 90),
    ],
)
def test_a_clock_that_is_ahead_of_the_controllers_meters_nothing_more(row, called_s, metered_s):
    assert meter_queue(row=row, called_at=at(called_s)) == metered_s * 1000


def test_accounting_supports_the_start_in_which_the_wrapper_began():
    segments = [make_segment("BOOT_FAIL"), make_segment("COMPLETED", started_at=at(300), elapsed_s=900)]

    assert meter_accounting(segments=segments, began_at=at(305)) == 900_000
