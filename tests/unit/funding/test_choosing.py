from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lilong.platforms.funding.core.choosing import VoucherFacts, choose_vouchers
from lilong.platforms.funding.core.deciding import MemberFacts, OfferFacts, Purse
from lilong.platforms.funding.core.rules import Origin, Rate, Stacking, VoucherRule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = VoucherRule(rate_ppm=300_000, cap_uc=8_000_000, expires_in_days=365)
PURSE = Purse(available_uc=5_000_000, reserved_uc=0, expires_at=NOW + timedelta(days=9))
VOUCHER = VoucherFacts(
    voucher_id="vou_1",
    account_id="acc_1",
    programme_id="prg_1",
    programme_account_id="acc_p1",
    rule_version=1,
    rule=RULE,
    purse=PURSE,
    year_used_uc=0,
)
LATER = replace(
    VOUCHER, voucher_id="vou_2", programme_id="prg_2", purse=replace(PURSE, expires_at=NOW + timedelta(days=10))
)
MEMBER = MemberFacts(is_admitted=True, since=date(2026, 1, 1))
HOME, ABROAD = OfferFacts("off_home", "CN", "CN"), OfferFacts("off_abroad", "US", "DE")
BY_ORIGIN = replace(RULE, jurisdiction="CN", rates=(Rate(rate_ppm=500_000, accelerator=Origin.HOME),))


def choose(*vouchers, offers=(HOME,), member=MEMBER):
    return choose_vouchers(vouchers=vouchers, member=member, offers=offers, now=NOW, zone=UTC)


def usable(choice):
    return {chosen.voucher.voucher_id: chosen.share for chosen in choice.usable}


def refusals_of(choice):
    return {voucher_id: problem.code for voucher_id, problem in choice.refused}


def with_rule(voucher, **changes):
    return replace(voucher, rule=replace(voucher.rule, **changes))


def test_the_earliest_to_expire_pays_first_whatever_the_order_of_arrival():
    for vouchers in ([VOUCHER, LATER], [LATER, VOUCHER]):
        assert list(usable(choose(*vouchers))) == ["vou_1", "vou_2"]


def test_a_higher_priority_pays_before_what_expires_earlier():
    assert list(usable(choose(VOUCHER, with_rule(LATER, priority=1)))) == ["vou_2", "vou_1"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"expires_at": NOW}, "voucher.expired"),
        ({"available_uc": 0, "reserved_uc": 1}, "voucher.reserved"),
        ({"available_uc": 0}, "voucher.spent"),
    ],
)
def test_a_voucher_that_cannot_pay_says_why_and_what_would_help(change, code):
    choice = choose(replace(VOUCHER, purse=replace(PURSE, **change)))

    assert choice.usable == ()
    ((voucher_id, problem),) = choice.refused
    assert (voucher_id, problem.code) == ("vou_1", code)
    assert problem.message.count(".") >= 2


def test_one_programme_pays_once_for_an_order():
    second = replace(LATER, programme_id="prg_1")

    assert refusals_of(choose(VOUCHER, second)) == {"vou_2": "voucher.programme_pays_already"}


def test_a_voucher_waits_while_earlier_ones_carry_the_whole_price():
    choice = choose(with_rule(VOUCHER, rate_ppm=1_000_000), LATER)

    assert refusals_of(choice) == {"vou_2": "voucher.price_carried"}


@pytest.mark.parametrize(("available_uc", "cap_uc"), [(5_000_000, 5_000_000), (9_000_000, 8_000_000)])
def test_a_voucher_carries_no_more_than_it_holds(available_uc, cap_uc):
    choice = choose(replace(VOUCHER, purse=replace(PURSE, available_uc=available_uc)))

    assert usable(choice)["vou_1"].cap_uc == cap_uc


def test_each_offer_has_its_rate():
    share = usable(choose(replace(VOUCHER, rule=BY_ORIGIN), offers=[HOME, ABROAD]))["vou_1"]

    assert (share.rate_on("off_home"), share.rate_on("off_abroad")) == (500_000, 300_000)


def test_nothing_is_paid_to_a_related_provider_and_the_others_are_paid():
    related = replace(ABROAD, related_by="Holding")
    choice = choose(VOUCHER, offers=[HOME, related])
    share = usable(choice)["vou_1"]

    assert (share.rate_on("off_home"), share.rate_on("off_abroad")) == (300_000, 0)
    ((limit),) = choice.limited
    assert (limit.path, limit.code) == ("offers.off_abroad", "voucher.related_party")
    assert "Holding" in limit.message


def test_a_voucher_of_which_all_providers_are_related_is_refused():
    assert refusals_of(choose(VOUCHER, offers=[replace(HOME, related_by="x")])) == {"vou_1": "voucher.related_party"}


@pytest.mark.parametrize(("alone_ppm", "paying"), [(300_001, ["vou_2"]), (300_000, ["vou_1"]), (299_999, ["vou_1"])])
def test_what_pays_alone_pays_where_it_carries_more_and_nothing_is_claimed_twice(alone_ppm, paying):
    alone = with_rule(LATER, stacking=Stacking.HIGHEST_ALONE, rate_ppm=alone_ppm)
    choice = choose(VOUCHER, alone)

    assert list(usable(choice)) == paying
    assert list(refusals_of(choice).values()) == ["voucher.higher_rate_pays"]


def test_double_claim_two_rules_that_pay_alone_never_add_up():
    first = with_rule(VOUCHER, stacking=Stacking.HIGHEST_ALONE)
    second = with_rule(LATER, stacking=Stacking.HIGHEST_ALONE, rate_ppm=400_000)

    assert list(usable(choose(first, second))) == ["vou_2"]


def test_which_voucher_pays_alone_is_found_for_each_offer():
    first = replace(VOUCHER, rule=replace(BY_ORIGIN, stacking=Stacking.HIGHEST_ALONE))
    second = with_rule(LATER, stacking=Stacking.HIGHEST_ALONE, rate_ppm=400_000)
    shares = usable(choose(first, second, offers=[HOME, ABROAD]))

    assert [shares["vou_1"].rate_on(each) for each in ("off_home", "off_abroad")] == [500_000, 0]
    assert [shares["vou_2"].rate_on(each) for each in ("off_home", "off_abroad")] == [0, 400_000]


def test_of_a_programme_one_voucher_pays_on_all_offers_so_that_a_yearly_cap_binds_the_order():
    home_only = replace(BY_ORIGIN, rate_ppm=0, year_cap_uc=1_000_000)
    anywhere = replace(LATER, programme_id="prg_1", rule=replace(RULE, year_cap_uc=1_000_000))
    shares = usable(choose(replace(VOUCHER, rule=home_only), anywhere, offers=[HOME, ABROAD]))

    assert {name: share.cap_uc for name, share in shares.items()} == {"vou_1": 1_000_000}


def test_an_organisation_that_is_not_admitted_gets_nothing():
    assert refusals_of(choose(VOUCHER, member=replace(MEMBER, is_admitted=False))) == {"vou_1": "voucher.not_admitted"}
