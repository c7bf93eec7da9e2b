import itertools

from lilong.platforms.supermarket.core.policy import CANDIDATES_MAX
from lilong.platforms.supermarket.core.pricing import Terms, Unit
from lilong.platforms.supermarket.core.ranking import Priced, rank_offers


def make_offer(offer_id, *, expected_uc, max_uc=None, wallet_uc=None):
    terms = Terms(
        offer_id=offer_id,
        pool_id="pool",
        provider_id="prv",
        price_row_id="prc",
        price_uc=1,
        unit=Unit.CORE,
        units=1,
        fee_ppm=0,
        credit_ppm=0,
    )
    return Priced(
        terms=terms,
        expected_uc=expected_uc,
        max_uc=max_uc or 2 * expected_uc,
        wallet_uc=expected_uc if wallet_uc is None else wallet_uc,
    )


def chosen_ids(ranking):
    return [ranked.priced.terms.offer_id for ranked in ranking.chosen]


def test_what_the_member_pays_ranks_before_the_whole_price():
    ranking = rank_offers(
        offers=[make_offer("a", expected_uc=10), make_offer("b", expected_uc=12, wallet_uc=6)], max_cost_uc=None
    )

    assert chosen_ids(ranking) == ["b", "a"]
    assert ranking.chosen[0].because == "Cheapest for you: expected 0.000012 credits, 0.000006 after vouchers."


def test_ties_are_broken_by_offer_id_whatever_the_order_of_arrival():
    offers = [make_offer(name, expected_uc=10) for name in "abc"]

    assert {
        tuple(chosen_ids(rank_offers(offers=each, max_cost_uc=None))) for each in itertools.permutations(offers)
    } == {("a", "b", "c")}


def test_an_offer_above_the_limit_is_left_out_with_what_would_make_it_pass():
    ranking = rank_offers(offers=[make_offer("a", expected_uc=10, max_uc=21)], max_cost_uc=20)

    assert ranking.chosen == ()
    assert ranking.left_out[0].code == "offer.above_max_cost"
    assert "Raise the limit" in ranking.left_out[0].message


def test_cost_policy_eta_a_limit_counts_the_longest_time_and_not_the_expected_one():
    hopeful, sure = make_offer("a", expected_uc=1, max_uc=21), make_offer("b", expected_uc=15, max_uc=20)

    assert chosen_ids(rank_offers(offers=[hopeful, sure], max_cost_uc=20)) == ["b"]


def test_a_dear_failover_does_not_inflate_the_hold():
    ranking = rank_offers(offers=[make_offer("a", expected_uc=10), make_offer("b", expected_uc=21)], max_cost_uc=None)

    assert chosen_ids(ranking) == ["a"]
    assert ranking.left_out[0].code == "offer.dear_for_failover"


def test_a_quote_names_a_bounded_number_of_offers():
    offers = [make_offer(f"{number:02}", expected_uc=10) for number in range(CANDIDATES_MAX + 1)]
    ranking = rank_offers(offers=offers, max_cost_uc=None)

    assert len(ranking.chosen) == CANDIDATES_MAX
    assert [problem.code for problem in ranking.left_out] == ["offer.beyond_candidates"]
