from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM
from lilong.platforms.funding.core.choosing import VoucherFacts, choose_vouchers
from lilong.platforms.funding.core.deciding import Granted, MemberFacts, OfferFacts, Purse, decide
from lilong.platforms.funding.core.rules import Origin, Purpose, Rate, Stacking, VoucherRule, check_rule, read_rule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNTRIES = st.sampled_from(["CN", "US", ""])
amounts = st.integers(1, 10**15)
rates = st.builds(
    Rate,
    rate_ppm=st.integers(500_001, PPM),
    accelerator=st.sampled_from([*Origin, None]),
    provider=st.sampled_from([Origin.HOME, Origin.OTHER, None]),
    age_months_below=st.none() | st.integers(1, 60),
    head_count_at_most=st.integers(1, 500),
    purposes=st.lists(st.sampled_from(Purpose), max_size=2, unique=True).map(tuple),
)
rules = st.builds(
    VoucherRule,
    rate_ppm=st.integers(1, 500_000),
    cap_uc=amounts,
    expires_in_days=st.just(365),
    rates=st.lists(rates, max_size=4).map(tuple),
    jurisdiction=st.just("CN"),
    year_cap_uc=st.none() | amounts,
    priority=st.integers(-3, 3),
    stacking=st.sampled_from(Stacking),
)
admitted = MemberFacts(is_admitted=True, since=date(2015, 1, 1))
members = st.builds(
    MemberFacts,
    is_admitted=st.just(admitted.is_admitted),
    since=st.dates(date(2015, 1, 1), date(2026, 3, 1)),
    founded_on=st.none() | st.dates(date(2015, 1, 1), date(2026, 3, 1)),
    head_count=st.none() | st.integers(0, 1000),
    purposes=st.frozensets(st.sampled_from(Purpose)),
)
offers = st.lists(
    st.builds(
        OfferFacts, st.sampled_from(["off_a", "off_b", "off_c"]), COUNTRIES, COUNTRIES, st.sampled_from(["", "x"])
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda offer: offer.offer_id,
)
purses = st.builds(
    Purse,
    available_uc=st.integers(0, 10**12),
    reserved_uc=st.integers(0, 10**12),
    expires_at=st.integers(-1, 9).map(lambda days: NOW + timedelta(days=days)),
)
vouchers = st.lists(
    st.builds(
        VoucherFacts,
        voucher_id=st.sampled_from([f"vou_{number}" for number in range(6)]),
        account_id=st.just("acc"),
        programme_id=st.sampled_from(["prg_1", "prg_2", "prg_3"]),
        programme_account_id=st.just("acc_p"),
        rule_version=st.just(1),
        rule=rules,
        purse=purses,
        year_used_uc=st.integers(0, 10**13),
    ),
    max_size=5,
    unique_by=lambda voucher: voucher.voucher_id,
)


def ask(rule, member, offer, used_uc, purse):
    return decide(rule=rule, member=member, offer=offer, year_used_uc=used_uc, purse=purse, now=NOW, zone=UTC)


@given(rules)
def test_a_rule_reads_back_from_what_is_hashed(rule):
    check_rule(rule=rule)

    assert read_rule(document=rule.document) == rule


@given(rules, members, offers, st.integers(0, 2 * 10**15), purses)
def test_no_decision_exceeds_a_cap_or_pays_for_a_related_party(rule, member, offers, used_uc, purse):
    decision = ask(rule, member, offers[0], used_uc, purse)

    if isinstance(decision, Granted):
        assert 0 < decision.rate_ppm <= rule.highest_ppm
        assert 0 < decision.cap_uc <= min(rule.cap_uc, purse.available_uc)
        assert rule.year_cap_uc is None or used_uc + decision.cap_uc <= rule.year_cap_uc
        assert not offers[0].related_by
        assert purse.expires_at > NOW


@given(rules, members, offers, st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)), purses)
def test_whoever_used_more_gets_no_more(rule, member, offers, used_uc, purse):
    before = ask(rule, member, offers[0], min(used_uc), purse)
    after = ask(rule, member, offers[0], max(used_uc), purse)

    if isinstance(after, Granted):
        assert isinstance(before, Granted)
        assert (after.rate_ppm, after.cap_uc) <= (before.rate_ppm, before.cap_uc)


@given(rules, members, offers, purses)
def test_a_smaller_organisation_gets_no_lower_rate(rule, member, offers, purse):
    larger = replace(member, head_count=500)
    smaller = replace(member, head_count=20)
    first, second = (ask(rule, each, offers[0], 0, purse) for each in (larger, smaller))

    if isinstance(first, Granted):
        assert isinstance(second, Granted)
        assert second.rate_ppm >= first.rate_ppm


@given(vouchers, members, offers)
def test_nothing_is_claimed_twice_and_no_offer_is_paid_beyond_its_price(vouchers, member, offers):
    choice = choose_vouchers(vouchers=vouchers, member=member, offers=offers, now=NOW, zone=UTC)
    programmes = [chosen.voucher.programme_id for chosen in choice.usable]

    assert len(programmes) == len(set(programmes))
    assert {voucher.voucher_id for voucher in vouchers} == {
        *(chosen.voucher.voucher_id for chosen in choice.usable),
        *(voucher_id for voucher_id, _ in choice.refused),
    }
    for offer in offers:
        paying = [chosen for chosen in choice.usable if chosen.share.rate_on(offer.offer_id)]
        alone = [each for each in paying if each.voucher.rule.stacking is Stacking.HIGHEST_ALONE]
        assert not alone or len(paying) == 1
        assert not (offer.related_by and paying)


@given(vouchers, members, offers, st.randoms())
def test_the_order_in_which_vouchers_and_offers_are_read_changes_nothing(vouchers, member, offers, random):
    first = choose_vouchers(vouchers=vouchers, member=member, offers=offers, now=NOW, zone=UTC)
    shuffled = sorted(vouchers, key=lambda _: random.random())
    second = choose_vouchers(vouchers=shuffled, member=member, offers=offers, now=NOW, zone=UTC)

    assert second.usable == first.usable
    assert sorted(second.refused, key=str) == sorted(first.refused, key=str)
