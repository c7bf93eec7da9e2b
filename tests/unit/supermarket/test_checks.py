from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lilong.platforms.supermarket.core.budgets import BudgetRoom
from lilong.platforms.supermarket.core.checks import OrderFacts, Source, check_order, gather_refusals
from lilong.platforms.supermarket.core.pricing import Terms, Unit
from lilong.platforms.supermarket.core.routes import RouteVerdict, Way

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = Terms(
    offer_id="off_1",
    pool_id="pool_1",
    provider_id="prv_1",
    price_row_id="prc_1",
    price_uc=1_000,
    unit=Unit.CORE,
    units=2,
    fee_ppm=0,
    credit_ppm=0,
)
FINE = OrderFacts(
    admitted=True,
    standing_refusal="",
    other_live_quotes=2,
    expires_at=NOW + timedelta(seconds=1),
    terms=[TERMS],
    prices_now={"prc_1": 1_000},
    quoted_spec_sha256="a",
    spec_sha256="a",
    walltime_ms=60_000,
    authorised_ms=60_000,
    max_uc=120,
    max_cost_uc=120,
    budgets=[BudgetRoom("bud_1", "vision", limit_uc=200, held_uc=50, charged_uc=30, resets_at=None)],
    route=RouteVerdict(Way.AUTOMATIC, "automatic", asked_ms=4, counted_ms=5, limit_ms=5),
    sources=[Source(name="wallet", needed_uc=100, available_uc=100)],
)


def test_an_order_at_every_limit_passes():
    assert check_order(facts=FINE, now=NOW) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"admitted": False}, "order.not_admitted"),
        ({"standing_refusal": "Its standing ended."}, "order.no_standing"),
        ({"other_live_quotes": 3}, "quote.too_many_live"),
        ({"expires_at": NOW}, "quote.expired"),
        ({"prices_now": {}}, "quote.price_withdrawn"),
        ({"prices_now": {"prc_1": 999}}, "quote.price_withdrawn"),
        ({"terms": [TERMS.model_copy(update={"price_uc": 0})], "prices_now": {"prc_1": 0}}, "quote.price_withdrawn"),
        ({"spec_sha256": "b"}, "quote.spec_differs"),
        ({"walltime_ms": 60_001}, "order.walltime_too_long"),
        ({"max_cost_uc": 119}, "order.max_cost_exceeded"),
        ({"max_uc": 10**15 + 1, "max_cost_uc": None, "budgets": ()}, "order.too_large"),
        ({"route": RouteVerdict(Way.OPEN_CALL, "", asked_ms=4, counted_ms=6, limit_ms=5)}, "order.open_call_needed"),
        ({"budgets": [BudgetRoom("bud_1", "vision", 200, 50, 31, resets_at=None)]}, "order.budget_exceeded"),
        ({"sources": [Source(name="wallet", needed_uc=101, available_uc=100)]}, "order.funds_short"),
    ],
)
def test_one_step_beyond_a_limit_is_refused_with_a_next_step(change, code):
    (refusal,) = check_order(facts=replace(FINE, **change), now=NOW)

    assert refusal.code == code
    assert refusal.next_step


def test_all_refusals_are_told_at_once():
    refusals = check_order(facts=replace(FINE, admitted=False, max_cost_uc=1), now=NOW)
    error = gather_refusals(refusals=refusals)

    assert error.code == "order.not_admitted"
    assert [field.code for field in error.fields] == ["order.not_admitted", "order.max_cost_exceeded"]


def test_missing_funds_are_told_to_the_micro_credit():
    short = Source(name="wallet", needed_uc=1_000_001, available_uc=1_000_000)
    (refusal,) = check_order(facts=replace(FINE, sources=[short]), now=NOW)

    assert "0.000001 are missing" in refusal.detail
    assert refusal.facts["short_uc"] == 1
