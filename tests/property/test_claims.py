"""Claims in any order give one order, and a claim conflicts exactly where one of the others contradicts it."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lilong.platforms.stack.core.claims import Claim, Confidence, Source, Tier, find_conflicts, rank_claims

DAYS = st.none() | st.integers(0, 3).map(lambda days: date(2026, 1, 1) + timedelta(days=days))


@st.composite
def lists_of_claims(draw):
    count = draw(st.integers(0, 8))
    return [
        Claim(
            id=f"clm_{number}",
            accelerator="l40s",
            property="memory_gb",
            value=str(draw(st.integers(98, 104) | st.integers(1, 10**6))),
            conditions=draw(st.sampled_from(["", "ECC on", "ecc  on"])),
            tier=draw(st.sampled_from(list(Tier))),
            confidence=draw(st.sampled_from(list(Confidence))),
            sources=(Source(title="Somebody", dated_on=draw(DAYS)),),
        )
        for number in range(count)
    ]


def contradict(one, other):
    apart = abs(int(one.value) - int(other.value)) * 100 > max(int(one.value), int(other.value))
    return apart and bool(one.conditions) is bool(other.conditions)


@given(lists_of_claims(), st.randoms(use_true_random=False))
def test_the_order_of_claims_does_not_depend_on_the_order_in_which_they_came(claims, chance):
    shuffled = list(claims)
    chance.shuffle(shuffled)
    ranked = rank_claims(claims)

    assert rank_claims(shuffled) == ranked
    assert sorted(ranked, key=lambda claim: list(Tier).index(claim.tier)) == list(ranked)


@given(lists_of_claims())
def test_a_claim_conflicts_exactly_where_another_contradicts_it(claims):
    expected = {one.id for one in claims if any(contradict(one, other) for other in claims)}

    assert find_conflicts(claims) == expected
