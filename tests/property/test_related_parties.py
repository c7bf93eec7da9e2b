from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM
from lilong.foundation.members.core.ownership import CHAIN_MAX, Share, find_holders, find_relation

NAMES = ["a", "b", "c", "d", "e"]
parts = st.integers(1, PPM)
thresholds = st.sampled_from([1, 100_000, 250_000, 500_000, PPM])
anything = st.lists(st.builds(Share, st.sampled_from([*NAMES, "p"]), st.sampled_from(NAMES), parts), max_size=12)


@st.composite
def books(draw):
    """Return shares of which no organisation gives out more than the whole; they may form rings."""
    shares = []
    for held in NAMES:
        left = PPM
        for holder in draw(st.lists(st.sampled_from([*NAMES, "p"]), max_size=4, unique=True)):
            if holder != held and left:
                share_ppm = draw(st.integers(1, left))
                left -= share_ppm
                shares.append(Share(holder, held, share_ppm))
    return shares


@given(anything, st.sampled_from(NAMES), st.sampled_from(NAMES), thresholds)
def test_who_is_related_to_one_is_related_back_by_the_same_holder(shares, first, second, threshold_ppm):
    there = find_relation(first=first, second=second, shares=shares, threshold_ppm=threshold_ppm)
    back = find_relation(first=second, second=first, shares=shares, threshold_ppm=threshold_ppm)

    assert (there is None) is (back is None)
    if there and back:
        assert (there.holder, there.first_ppm, there.second_ppm) == (back.holder, back.second_ppm, back.first_ppm)
        assert min(there.first_ppm, there.second_ppm) >= threshold_ppm


@given(st.lists(parts, min_size=1, max_size=CHAIN_MAX))
def test_parts_along_a_chain_multiply(chain):
    names = [f"org_{number}" for number in range(len(chain) + 1)]
    shares = [Share(holder, held, part) for holder, held, part in zip(names[1:], names, chain, strict=False)]
    product = Fraction(1)
    for part in chain:
        product *= Fraction(part, PPM)

    assert find_holders(organisation=names[0], shares=shares)[names[-1]] == product
    related = find_relation(first=names[0], second=names[-1], shares=shares, threshold_ppm=250_000)
    assert (related is not None) is (product >= Fraction(1, 4))


@given(books(), st.sampled_from(NAMES))
def test_rings_end_and_nobody_holds_more_than_the_whole(shares, organisation):
    holders = find_holders(organisation=organisation, shares=shares)

    assert holders[organisation] == 1
    assert all(0 < part <= 1 for part in holders.values())


@given(books(), books(), st.sampled_from(NAMES), st.sampled_from(NAMES), thresholds)
def test_more_shares_part_nobody_who_was_related(shares, more, first, second, threshold_ppm):
    before = find_relation(first=first, second=second, shares=shares, threshold_ppm=threshold_ppm)
    after = find_relation(first=first, second=second, shares=[*shares, *more], threshold_ppm=threshold_ppm)

    assert before is None or after is not None


@given(anything, st.sampled_from(NAMES), thresholds)
def test_everybody_is_related_to_oneself(shares, name, threshold_ppm):
    relation = find_relation(first=name, second=name, shares=shares, threshold_ppm=threshold_ppm)

    assert relation is not None
    assert (relation.first_ppm, relation.second_ppm) == (PPM, PPM)


def test_two_ways_to_one_holder_add_up_to_what_neither_has():
    shares = [
        Share("a", "m", 500_000),
        Share("a", "n", 500_000),
        Share("m", "b", 250_000),
        Share("n", "b", 250_000),
    ]

    relation = find_relation(first="a", second="b", shares=shares, threshold_ppm=250_000)
    assert relation is not None
    assert relation.second_ppm == 250_000
    assert find_relation(first="a", second="b", shares=shares[:3], threshold_ppm=250_000) is None


def test_what_flows_round_a_ring_is_counted_as_often_as_it_comes_round():
    ring = [Share("b", "c", 500_000), Share("c", "b", 500_000), Share("p", "b", 500_000)]

    holders = find_holders(organisation="c", shares=ring)
    assert holders["p"] == Fraction(1, 4)
    assert holders["b"] == Fraction(1, 2)
