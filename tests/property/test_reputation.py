import math

from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM
from lilong.platforms.supermarket.core.reputation import STEP_PPM, find_interval

Z = 1.959963984540054
counts = st.integers(1, 200) | st.integers(1, 10**7)
facts = counts.flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))


def is_plausible(share, *, kept, count):
    """Say whether the score test at 5 % does not reject a true share: the definition that the interval inverts."""
    return abs(kept - count * share) <= Z * math.sqrt(count * share * (1 - share))


@given(facts)
def test_the_interval_holds_what_was_counted_and_stays_between_nothing_and_all(fact):
    kept, count = fact
    found = find_interval(kept=kept, count=count)

    assert 0 <= found.lower_ppm <= kept * PPM // count
    assert -(-kept * PPM // count) <= found.upper_ppm <= PPM
    assert found.lower_ppm % STEP_PPM == found.upper_ppm % STEP_PPM == 0


@given(facts)
def test_just_outside_of_the_interval_the_score_test_rejects_and_just_within_it_does_not(fact):
    kept, count = fact
    found = find_interval(kept=kept, count=count)
    width = found.upper_ppm - found.lower_ppm

    for bound_ppm, inwards_ppm in ((found.lower_ppm, STEP_PPM), (found.upper_ppm, -STEP_PPM)):
        outside = (bound_ppm - math.copysign(1, inwards_ppm)) / PPM
        assert not 0 < outside < 1 or not is_plausible(outside, kept=kept, count=count)
        if width > 2 * STEP_PPM:
            assert is_plausible((bound_ppm + inwards_ppm) / PPM, kept=kept, count=count)


@given(facts)
def test_one_more_good_fact_never_lowers_a_bound_and_one_more_bad_one_never_raises_it(fact):
    kept, count = fact
    before, better = find_interval(kept=kept, count=count), find_interval(kept=kept + 1, count=count + 1)
    worse = find_interval(kept=kept, count=count + 1)

    assert worse.lower_ppm <= before.lower_ppm <= better.lower_ppm
    assert worse.upper_ppm <= before.upper_ppm <= better.upper_ppm
