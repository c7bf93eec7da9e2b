from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM, UC_PER_CREDIT
from lilong.platforms.funding.core.split import Share, find_most, split_due, split_dues

amounts = st.integers(0, 10**12) | st.integers(0, 20) | st.integers(0, 10**6).map(lambda whole: whole * UC_PER_CREDIT)
shares = st.lists(st.builds(Share, rate_ppm=st.integers(0, PPM), cap_uc=amounts), max_size=5)


@given(shares, amounts)
def test_the_parts_sum_to_what_is_due(shares, due_uc):
    split = split_due(due_uc=due_uc, shares=shares)

    assert sum(split.vouchers_uc) + split.wallet_uc == due_uc
    assert min((*split.vouchers_uc, split.wallet_uc)) >= 0


@given(shares, amounts, st.integers(0, 3) | amounts)
def test_no_payer_gets_money_back_when_more_becomes_due(shares, due_uc, more_uc):
    before = split_due(due_uc=due_uc, shares=shares)
    after = split_due(due_uc=due_uc + more_uc, shares=shares)

    assert after.wallet_uc >= before.wallet_uc
    assert all(later >= earlier for earlier, later in zip(before.vouchers_uc, after.vouchers_uc, strict=True))


@given(shares, amounts)
def test_no_voucher_pays_above_its_cap_or_a_credit_beyond_its_rate(shares, due_uc):
    split = split_due(due_uc=due_uc, shares=shares)

    for share, part_uc in zip(shares, split.vouchers_uc, strict=True):
        assert part_uc <= share.cap_uc
        assert part_uc * PPM < (due_uc + UC_PER_CREDIT) * share.rate_ppm or part_uc == 0


@given(st.lists(st.integers(0, PPM), max_size=5), st.integers(0, 10**6))
def test_whole_credits_are_split_exactly_at_the_rates(rates_ppm, whole):
    due_uc = whole * UC_PER_CREDIT
    split = split_due(due_uc=due_uc, shares=[Share(rate_ppm=rate, cap_uc=due_uc) for rate in rates_ppm])

    left_ppm = PPM
    for rate_ppm, part_uc in zip(rates_ppm, split.vouchers_uc, strict=True):
        assert part_uc == whole * min(rate_ppm, left_ppm)
        left_ppm -= min(rate_ppm, left_ppm)


OFFERS = ("off_a", "off_b", "off_c")
graded = st.lists(
    st.builds(
        Share,
        rate_ppm=st.integers(0, PPM),
        cap_uc=amounts,
        other_rates_ppm=st.dictionaries(st.sampled_from(OFFERS), st.integers(0, PPM)),
    ),
    max_size=4,
)
dues = st.dictionaries(st.sampled_from(OFFERS), st.integers(0, 5 * UC_PER_CREDIT) | amounts)


@given(dues, graded)
def test_the_payers_of_several_offers_pay_what_is_due_together(dues_uc, shares):
    split = split_dues(dues_uc=dues_uc, shares=shares)

    assert split.total_uc == sum(dues_uc.values())
    assert split.wallet_uc >= 0
    assert all(0 <= part_uc <= share.cap_uc for part_uc, share in zip(split.vouchers_uc, shares, strict=True))


@given(dues, st.sampled_from(OFFERS), st.integers(0, 3) | amounts, graded)
def test_no_payer_gets_money_back_when_more_becomes_due_on_any_offer(dues_uc, offer_id, more_uc, shares):
    before = split_dues(dues_uc=dues_uc, shares=shares)
    after = split_dues(dues_uc={**dues_uc, offer_id: dues_uc.get(offer_id, 0) + more_uc}, shares=shares)

    assert after.wallet_uc >= before.wallet_uc
    assert all(more >= less for less, more in zip(before.vouchers_uc, after.vouchers_uc, strict=True))


@given(dues, st.integers(0, UC_PER_CREDIT), graded)
def test_no_payer_ever_has_to_pay_more_than_it_holds_whichever_offers_ran(dues_uc, left_uc, shares):
    split = split_dues(dues_uc=dues_uc, shares=shares)
    most = find_most(max_uc=split.total_uc + left_uc, offer_ids=OFFERS, shares=shares)

    assert split.wallet_uc <= most.wallet_uc
    assert all(part_uc <= held_uc for part_uc, held_uc in zip(split.vouchers_uc, most.vouchers_uc, strict=True))


@given(amounts, graded)
def test_no_payer_holds_more_than_its_cap_or_the_whole(max_uc, shares):
    most = find_most(max_uc=max_uc, offer_ids=OFFERS, shares=shares)

    assert most.wallet_uc <= max_uc
    assert all(held_uc <= min(share.cap_uc, max_uc) for held_uc, share in zip(most.vouchers_uc, shares, strict=True))


@given(amounts, shares)
def test_where_rates_are_equal_exactly_the_maximum_is_held(max_uc, shares):
    assert find_most(max_uc=max_uc, offer_ids=OFFERS, shares=shares) == split_due(due_uc=max_uc, shares=shares)
