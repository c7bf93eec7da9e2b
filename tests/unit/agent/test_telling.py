from datetime import UTC, datetime, timedelta

import pytest

from lilong.agent.telling import (
    EXPECTED_START_STEP,
    PROGRESS_PER_SYNC_LEAST,
    PROGRESS_PER_SYNC_MAX,
    PROGRESS_TURNS,
    choose_telling,
)
from lilong.protocol.messages import AttemptState, Observation, Usage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def see(name, *, state=AttemptState.RUNNING, ms=0, second=0, **fields):
    usage = Usage(metered_ms=ms, authorised_ms=60_000)
    return Observation(attempt_id=name, state=state, observed_at=NOON.replace(second=second), usage=usage, **fields)


def tell(*seen, told=None, sync=1):
    return choose_telling(observations=seen, told=told or {}, sync=sync)


def names(telling):
    return [seen.attempt_id for seen in telling.observations]


def test_what_was_never_told_is_told():
    assert names(tell(see("a"), see("b"))) == ["a", "b"]


def test_what_stands_still_is_only_named():
    first = tell(see("a"))
    second = tell(see("a", second=5), told=first.told, sync=2)

    assert (names(second), second.unchanged) == ([], ("a",))


def test_a_change_of_state_or_authority_is_told_at_once():
    first = tell(see("a"), see("b"))
    extended = see("b").model_copy(update={"usage": Usage(authorised_ms=90_000)})

    assert names(tell(see("a", state=AttemptState.SUSPENDED), extended, told=first.told, sync=2)) == ["a", "b"]


def test_an_end_is_told_until_it_is_released():
    first = tell(see("a", state=AttemptState.SUCCEEDED))

    assert names(tell(see("a", state=AttemptState.SUCCEEDED), told=first.told, sync=2)) == ["a"]


def tell_progress_again_and_again(*, count, syncs):
    """Return whom each sync tells of where all make progress before each."""
    told, seen_in = tell(*(see(f"a{number}") for number in range(count))).told, []
    for sync in range(2, 2 + syncs):
        telling = tell(*(see(f"a{number}", ms=sync) for number in range(count)), told=told, sync=sync)
        told = telling.told
        seen_in.append(names(telling))
        assert len(telling.observations) + len(telling.unchanged) == count
    return seen_in


@pytest.mark.parametrize(
    ("count", "in_each", "syncs"),
    [
        (PROGRESS_PER_SYNC_LEAST, PROGRESS_PER_SYNC_LEAST, 1),
        (100, 100 // PROGRESS_TURNS, PROGRESS_TURNS),
        (PROGRESS_TURNS * PROGRESS_PER_SYNC_MAX + 10, PROGRESS_PER_SYNC_MAX, PROGRESS_TURNS + 1),
    ],
)
def test_progress_is_told_by_turns_and_of_none_twice_before_all(count, in_each, syncs):
    seen_in = tell_progress_again_and_again(count=count, syncs=syncs)

    assert [len(some) for some in seen_in] == [in_each] * syncs
    assert len({name for some in seen_in for name in some}) == count


def test_what_is_gone_is_forgotten():
    first = tell(see("a"), see("b"))

    assert set(tell(see("a"), told=first.told, sync=2).told) == {"a"}


def queue(name, expected_start_at, *, second=0):
    return see(name, state=AttemptState.QUEUED, second=second, expected_start_at=expected_start_at)


@pytest.mark.parametrize(
    ("moves_by", "is_told"),
    [
        (timedelta(0), False),
        (EXPECTED_START_STEP - timedelta(seconds=1), False),
        (EXPECTED_START_STEP, True),
        (-EXPECTED_START_STEP, True),
    ],
)
def test_an_expected_start_is_told_anew_when_it_moves_by_minutes(moves_by, is_told):
    first = tell(queue("a", NOON))

    assert bool(names(tell(queue("a", NOON + moves_by, second=5), told=first.told, sync=2))) == is_told


def test_an_expected_start_that_creeps_is_told_once_it_has_moved_by_minutes_in_all():
    told, seen_in = tell(queue("a", NOON)).told, []
    for minute in range(1, 12):
        telling = tell(queue("a", NOON + timedelta(minutes=minute)), told=told, sync=minute)
        told = telling.told
        seen_in += [minute] * len(telling.observations)

    assert seen_in == [5, 10]


@pytest.mark.parametrize(("before", "after"), [(None, NOON), (NOON, None)])
def test_an_expected_start_that_comes_or_goes_is_told(before, after):
    first = tell(queue("a", before))

    assert names(tell(queue("a", after), told=first.told, sync=2)) == ["a"]


def test_a_queue_that_is_planned_anew_is_told_by_turns():
    count = PROGRESS_PER_SYNC_LEAST * 8
    told = tell(*(queue(f"a{number}", NOON) for number in range(count))).told
    moved = [queue(f"a{number}", NOON + timedelta(hours=1)) for number in range(count)]
    second = tell(*moved, told=told, sync=2)
    third = tell(*moved, told=second.told, sync=3)

    assert len(names(second)) == count // PROGRESS_TURNS
    assert names(third)
    assert not set(names(second)) & set(names(third))
