from datetime import UTC, datetime, timedelta

import pytest

from lilong.cli.output import format_time
from lilong.cli.waiting import describe_wait
from lilong.sdk.runs import Run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def describe(*, reason="it waits", basis=None, ahead=None):
    run = Run(
        id="run_1",
        name="train",
        state="pending",
        waiting_reason=reason,
        expected_start_at=None if ahead is None else NOON + ahead,
        expected_start_basis=basis,
        authorised_ms=1,
        metered_ms=0,
        billable_ms=0,
        created_at=NOON,
        attempts=(),
        artefacts=(),
        finished=False,
    )
    return describe_wait(run, now=NOON)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(minutes=-3), "at any moment"),
        (timedelta(seconds=20), "at any moment"),
        (timedelta(minutes=12, seconds=10), "in about 12m"),
        (timedelta(hours=1, minutes=30), "in about 1h30m"),
        (timedelta(hours=30, minutes=29), "in about 1d6h"),
    ],
)
def test_an_expected_start_is_told_by_its_distance_and_its_time(ahead, said):
    when = format_time(NOON + ahead)

    assert describe(basis="scheduler", ahead=ahead) == (
        f"it waits; expected to start {said} ({when}), by the cluster's scheduler"
    )


def test_what_nobody_knows_is_said_and_what_is_in_no_queue_says_only_why():
    assert describe(basis="unknown") == "it waits; when it starts is not known"
    assert describe() == "it waits"
    assert describe(reason="") == ""
