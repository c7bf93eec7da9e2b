from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import PPM, UC_PER_CREDIT
from lilong.platforms.funding.core.split import Share, split_due

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
