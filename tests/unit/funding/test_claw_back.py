"""What can be asked back of a voucher: settled uses, once, within the time and for the reasons of its rule."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lilong.platforms.funding.core.claw_back import PaidUse, find_problems
from lilong.platforms.funding.core.rules import ClawBack, ClawBackReason, VoucherRule

NOW = datetime(2026, 3, 31, 20, tzinfo=UTC)
RULE = VoucherRule(
    rate_ppm=300_000,
    cap_uc=10,
    expires_in_days=365,
    claw_back=ClawBack(within_months=12, reasons=(ClawBackReason.RELATED_PARTY, ClawBackReason.PRODUCT_WITHDRAWN)),
)
PAID = PaidUse(order_id="ord_1", amount_uc=3, paid_at=NOW, is_asked_back=False)


def find(*uses, wanted=("ord_1",), rule=RULE, reason=ClawBackReason.RELATED_PARTY, zone=UTC):
    return [
        each.message for each in find_problems(rule=rule, reason=reason, wanted=wanted, uses=uses, now=NOW, zone=zone)
    ]


def paid(**facts):
    return PaidUse(**{"order_id": "ord_1", "amount_uc": 3, "paid_at": NOW, "is_asked_back": False, **facts})


def test_a_settled_use_within_the_time_of_the_rule_can_be_asked_back():
    assert find(PAID) == []


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (paid(paid_at=None), "not settled yet"),
        (paid(is_asked_back=True), "asked back already"),
        (paid(amount_uc=0), "paid nothing"),
        (paid(paid_at=datetime(2025, 3, 31, tzinfo=UTC)), "more than 12 months ago"),
        (paid(order_id="ord_2"), "not used for ord_1"),
    ],
)
def test_each_use_that_cannot_be_asked_back_says_why(use, why):
    (said,) = find(use)

    assert why in said


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (VoucherRule(rate_ppm=1, cap_uc=1, expires_in_days=1), ClawBackReason.RELATED_PARTY),
        (RULE, ClawBackReason.FALSE_DECLARATION),
    ],
)
def test_a_reason_that_the_rule_does_not_name_takes_nothing_back(rule, reason):
    assert find(PAID, rule=rule, reason=reason) == ["The voucher's rule does not let money be asked back for this."]


@pytest.mark.parametrize("wanted", [(), ("ord_1", "ord_1")])
def test_orders_are_named_once_and_at_least_one(wanted):
    assert find(PAID, wanted=wanted) == ["Name each order once, and at least one."]


def test_months_end_at_midnight_of_the_hub():
    use = paid(paid_at=datetime(2025, 4, 1, tzinfo=UTC))

    assert find(use) == []
    (said,) = find(use, zone=timezone(timedelta(hours=8)))
    assert "more than 12 months ago" in said
