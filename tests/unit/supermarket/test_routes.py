from datetime import UTC, datetime, timedelta

import pytest

from lilong.platforms.supermarket.core.pricing import HOUR_MS, Terms, Unit
from lilong.platforms.supermarket.core.routes import Allowance, Size, Way, check_route, choose_route, measure_card_ms
from lilong.platforms.supermarket.queries.routes import list_routes, load_route_rule

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = load_route_rule()


def choose(asked, *, free=0, reviewed=0, allowances=(), max_uc=1):
    size = Size(asked * HOUR_MS, free_ms=free * HOUR_MS, reviewed_ms=reviewed * HOUR_MS)
    return choose_route(size=size, max_uc=max_uc, allowances=allowances, rule=RULE)


def allow(review_id, hours, *, uc=100, days=1):
    return Allowance(review_id, left_ms=hours * HOUR_MS, left_uc=uc, ends_at=NOON + timedelta(days=days))


def terms(unit, units):
    return Terms(
        offer_id="off",
        pool_id="pool",
        provider_id="prv",
        price_row_id="prc",
        price_uc=1,
        unit=unit,
        units=units,
        fee_ppm=0,
        credit_ppm=0,
    )


def test_the_published_rule_says_who_decides_up_to_which_size_and_within_how_many_days():
    said = [(each.route.code, each.route.up_to_ms // HOUR_MS, each.approvals, each.days) for each in list_routes()]

    assert said == [("automatic", 5_000, 0, 0), ("light", 20_000, 1, 7), ("full", 150_000, 2, 21)]
    assert (RULE.window.days, RULE.usable.days, RULE.version) == (30, 90, "1")


@pytest.mark.parametrize(
    ("asked", "free", "reviewed", "said"),
    [
        (5_000, 0, 0, (Way.AUTOMATIC, "automatic", 0)),
        (5_001, 0, 0, (Way.REVIEW, "light", 14_999)),
        (1, 5_000, 0, (Way.REVIEW, "light", 14_999)),
        (1, 4_999, 150_000, (Way.AUTOMATIC, "automatic", 0)),
        (20_000, 0, 0, (Way.REVIEW, "light", 0)),
        (18_000, 0, 18_000, (Way.REVIEW, "full", 114_000)),
        (150_000, 0, 0, (Way.REVIEW, "full", 0)),
        (150_001, 0, 0, (Way.OPEN_CALL, "", -1)),
        (10_000, 0, 145_000, (Way.OPEN_CALL, "", -5_000)),
    ],
)
def test_an_order_goes_by_its_size_with_all_that_counts_beside_it(asked, free, reviewed, said):
    verdict = choose(asked, free=free, reviewed=reviewed)

    assert (verdict.way, verdict.route, verdict.distance_ms // HOUR_MS) == said
    assert (check_route(verdict) is None) is (verdict.way is not Way.OPEN_CALL)


def test_what_was_approved_is_used_first_and_of_several_that_which_ends_first():
    verdict = choose(10, allowances=[allow("b", 20, days=2), allow("a", 10), allow("c", 9)])

    assert (verdict.way, verdict.review_id, verdict.distance_ms) == (Way.ALLOWED, "a", 0)


@pytest.mark.parametrize("left", [allow("a", 6_000, uc=99), allow("a", 5_999)])
def test_an_approval_with_too_few_hours_or_credits_left_is_not_used(left):
    assert choose(6_000, max_uc=100, allowances=[left]).way is Way.REVIEW


def test_size_is_what_the_offer_with_the_most_cards_takes_for_the_longest_time_and_cores_are_free():
    offers = [terms(Unit.ACCELERATOR, 8), terms(Unit.ACCELERATOR, 16), terms(Unit.CORE, 512)]

    assert measure_card_ms(terms=offers, max_ms=1_000) == 16_000
    assert measure_card_ms(terms=offers[2:], max_ms=1_000) == 0


def test_a_refusal_says_the_figures_and_where_to_go():
    refusal = check_route(choose(150_001, free=10))

    assert refusal is not None
    assert "150,001" not in refusal.detail
    assert "150001 card-hours" in refusal.detail
    assert "150011" in refusal.detail
    assert "open call" in refusal.next_step
