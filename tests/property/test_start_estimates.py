from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lilong.foundation.runs.core.estimates import BEGUN_MIN, PastWait, estimate_start, find_quantile

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

waited = st.lists(st.tuples(st.integers(0, 50) | st.integers(0, 10**6), st.booleans()), min_size=1, max_size=80)
shares = st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9, 0.99])


@st.composite
def past_waits(draw):
    came_at = NOON - timedelta(seconds=draw(st.integers(-3600, 86400)))
    stayed_s = draw(st.none() | st.integers(0, 86400))
    left_at = None if stayed_s is None else came_at + timedelta(seconds=stayed_s)
    began = left_at is not None and draw(st.sampled_from([True, True, False]))
    called_off = left_at is not None and not began and draw(st.booleans())
    return PastWait(came_at, left_at, began, draw(st.sampled_from([0, 1, 2, 8])), called_off=called_off)


histories = st.lists(past_waits(), max_size=90)


@given(waited, shares, shares)
def test_a_larger_share_never_begins_sooner(waited, one, other):
    low, high = sorted((one, other))

    assert find_quantile(waited=waited, share=low) <= find_quantile(waited=waited, share=high)


@given(waited, shares, st.data())
def test_a_wait_that_was_given_up_never_makes_the_others_look_shorter(waited, share, data):
    given_up = data.draw(st.sets(st.integers(0, len(waited) - 1)))
    censored = [(seconds, began and place not in given_up) for place, (seconds, began) in enumerate(waited)]

    assert find_quantile(waited=censored, share=share) >= find_quantile(waited=waited, share=share)


@given(waited, shares)
def test_without_any_given_up_it_is_the_plain_quantile(waited, share):
    begun = sorted(seconds for seconds, _ in waited)
    found = find_quantile(waited=[(seconds, True) for seconds in begun], share=share)

    assert found in begun
    assert sum(seconds <= found for seconds in begun) >= share * len(begun) - 1e-6
    assert sum(seconds < found for seconds in begun) < share * len(begun)


@given(waited, shares, st.randoms())
def test_the_order_of_waits_changes_no_quantile(waited, share, random):
    shuffled = random.sample(waited, len(waited))

    assert find_quantile(waited=shuffled, share=share) == find_quantile(waited=waited, share=share)


@given(histories, st.randoms(), st.sampled_from([0, 1, 8]))
def test_the_order_of_the_history_changes_no_estimate(history, random, accelerators):
    shuffled = random.sample(history, len(history))
    one, other = (estimate_start(history=each, accelerators=accelerators, now=NOON) for each in (history, shuffled))

    assert one == other


@given(histories, st.sampled_from([0, 1, 8]))
def test_what_comes_later_changes_no_estimate(history, accelerators):
    by_then = [
        PastWait(wait.came_at, None, began=False, accelerators=wait.accelerators)
        if wait.left_at is None or wait.left_at > NOON
        else wait
        for wait in history
        if wait.came_at <= NOON
    ]
    one, other = (estimate_start(history=each, accelerators=accelerators, now=NOON) for each in (history, by_then))

    assert one == other


@given(histories)
def test_an_estimate_rests_on_enough_that_began_and_orders_its_quantiles(history):
    estimate = estimate_start(history=history, accelerators=1, now=NOON)
    begun = sum(wait.began and wait.left_at <= NOON for wait in history)

    assert (estimate is None) == (begun < BEGUN_MIN)
    assert estimate is None or 0 <= estimate.p50_s <= estimate.p90_s
