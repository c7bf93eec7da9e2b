from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lilong.platforms.funding.core.rules import (
    VoucherFacts,
    VoucherRule,
    VoucherRuleInvalid,
    check_rule,
    choose_vouchers,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = VoucherRule(rate_ppm=300_000, cap_uc=8_000_000, expires_in_days=365)
VOUCHER = VoucherFacts(
    voucher_id="vou_1",
    account_id="acc_1",
    programme_id="prg_1",
    programme_account_id="acc_p1",
    rule_version=1,
    rule_sha256="0" * 64,
    rate_ppm=300_000,
    cap_uc=8_000_000,
    available_uc=5_000_000,
    reserved_uc=0,
    expires_at=NOW + timedelta(days=9),
)


def refusals_of(choice):
    return {voucher_id: problem.code for voucher_id, problem in choice.refused}


def test_the_earliest_to_expire_pays_first_whatever_the_order_of_arrival():
    later = replace(VOUCHER, voucher_id="vou_0", programme_id="prg_2", expires_at=NOW + timedelta(days=10))

    for vouchers in ([VOUCHER, later], [later, VOUCHER]):
        choice = choose_vouchers(vouchers=vouchers, now=NOW)
        assert [voucher.voucher_id for voucher in choice.usable] == ["vou_1", "vou_0"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"expires_at": NOW}, "voucher.expired"),
        ({"available_uc": 0, "reserved_uc": 1}, "voucher.reserved"),
        ({"available_uc": 0}, "voucher.spent"),
    ],
)
def test_a_voucher_that_cannot_pay_says_why_and_what_would_help(change, code):
    choice = choose_vouchers(vouchers=[replace(VOUCHER, **change)], now=NOW)

    assert choice.usable == ()
    ((voucher_id, problem),) = choice.refused
    assert (voucher_id, problem.code) == ("vou_1", code)
    assert problem.message.count(".") >= 2


def test_one_programme_pays_once_for_an_order():
    second = replace(VOUCHER, voucher_id="vou_2", expires_at=NOW + timedelta(days=10))
    choice = choose_vouchers(vouchers=[VOUCHER, second], now=NOW)

    assert refusals_of(choice) == {"vou_2": "voucher.programme_pays_already"}


def test_a_voucher_waits_while_earlier_ones_carry_the_whole_price():
    whole = replace(VOUCHER, rate_ppm=1_000_000)
    second = replace(VOUCHER, voucher_id="vou_2", programme_id="prg_2", expires_at=NOW + timedelta(days=10))
    choice = choose_vouchers(vouchers=[whole, second], now=NOW)

    assert refusals_of(choice) == {"vou_2": "voucher.price_carried"}


def test_a_voucher_carries_no_more_than_it_holds():
    assert VOUCHER.share.cap_uc == 5_000_000
    assert replace(VOUCHER, available_uc=9_000_000).share.cap_uc == 8_000_000


def test_a_rule_out_of_range_names_every_wrong_figure():
    with pytest.raises(VoucherRuleInvalid) as raised:
        check_rule(rule=VoucherRule(rate_ppm=1_000_001, cap_uc=0, expires_in_days=1, starter_uc=-1))

    assert [field.path for field in raised.value.fields] == ["rate_ppm", "cap_uc", "starter_uc"]


def test_a_rule_in_range_passes():
    check_rule(rule=RULE)


def test_two_rules_that_differ_in_one_figure_have_different_hashes():
    variants = [RULE, *(replace(RULE, **{name: 7}) for name in ("rate_ppm", "cap_uc", "expires_in_days", "starter_uc"))]

    assert len({rule.sha256 for rule in variants}) == len(variants)
