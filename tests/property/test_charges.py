"""Charges of any settled orders and corrections: they add up, and as rows of FOCUS they are exact."""

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from lilong.common.rates import Rate
from lilong.platforms.funding.core.split import Share, split_due
from lilong.platforms.supermarket.core.charges import Category, ChargedOrder, Movement, list_charges
from lilong.platforms.supermarket.core.focus import COLUMNS, Parties, render_charge
from lilong.platforms.supermarket.core.pricing import AttemptUsage, Terms, Unit, charge_usage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARTIES = Parties(
    account_id="org_1", account_name="=1+1", hub="Hub", offers={"off_1": "fast"}, publishers={"off_1": "P"}
)
UC_PER_CREDIT = 1_000_000

terms = st.builds(
    Terms,
    offer_id=st.just("off_1"),
    pool_id=st.just("pool_1"),
    provider_id=st.just("prv_1"),
    price_row_id=st.just("prc_1"),
    price_uc=st.integers(1, 10**9),
    unit=st.sampled_from(Unit),
    units=st.integers(1, 4096),
    fee_ppm=st.just(0),
    credit_ppm=st.just(0),
)
milliseconds = st.lists(st.integers(0, 10**8), min_size=1, max_size=4)
shares = st.lists(st.builds(Share, rate_ppm=st.integers(0, 10**6), cap_uc=st.integers(0, 10**9)), max_size=3)
rates = st.builds(
    Rate,
    currency=st.just("CNY"),
    millionths=st.integers(1, 10**12),
    valid_from=st.just(NOON),
    source=st.just("made up"),
    is_example=st.booleans(),
)


def settle(terms, times_ms, shares, *, max_uc):
    """Return an order that was settled and what left its payers' accounts for it: vouchers first, then the wallet."""
    usages = [
        AttemptUsage(
            attempt_id=f"att_{number}",
            number=number,
            offer_id="off_1",
            metered_ms=time_ms,
            billable_ms=time_ms,
            supported_ms=time_ms,
            longest_ms=time_ms,
            fault=None,
            state="succeeded",
        )
        for number, time_ms in enumerate(times_ms)
    ]
    order = ChargedOrder(
        id="ord_1",
        run_id="run_1",
        name="train",
        placed_at=NOON,
        settled_at=NOON + timedelta(hours=1),
        lines=charge_usage(usages=usages, terms={"off_1": terms}, max_uc=max_uc),
    )
    return order, move("settle", shares, due_uc=sum(line.due_uc for line in order.lines))


def move(code, shares, *, due_uc, before_uc=0):
    after, before = split_due(due_uc=due_uc, shares=shares), split_due(due_uc=before_uc, shares=shares)
    parts = zip((*after.vouchers_uc, after.wallet_uc), (*before.vouchers_uc, before.wallet_uc), strict=True)
    return [
        Movement(
            transfer_id=f"{code}.{number}",
            group_id=code,
            code=code,
            subject="ord_1",
            voucher_id=f"vou_{number}" if number < len(shares) else "",
            change_uc=earlier_uc - later_uc,
            effective_at=NOON + timedelta(hours=1 if code == "settle" else 2),
            corrects="settle.0" if code == "correction" else "",
        )
        for number, (later_uc, earlier_uc) in enumerate(parts)
        if later_uc != earlier_uc
    ]


@given(terms, milliseconds, shares, st.integers(1, 10**13), st.integers(0, 10**6))
def test_charges_sum_to_what_left_the_wallet_and_usage_to_what_was_due(terms, times_ms, shares, max_uc, kept_ppm):
    order, paid = settle(terms, times_ms, shares, max_uc=max_uc)
    due_uc = sum(line.due_uc for line in order.lines)
    corrected = move("correction", shares, due_uc=due_uc * kept_ppm // 10**6, before_uc=due_uc)

    charges = list_charges(movements=[*corrected, *reversed(paid)], orders={"ord_1": order})

    assert sum(each.amount_uc for each in charges) == -sum(
        each.change_uc for each in [*paid, *corrected] if not each.voucher_id
    )
    assert sum(each.amount_uc for each in charges if each.category is Category.USAGE) == due_uc
    named = {transfer_id for each in charges for transfer_id in each.transfer_ids}
    assert named == {each.transfer_id for each in [*paid, *corrected]}


@given(terms, milliseconds, shares, st.integers(1, 10**13), rates)
def test_rows_of_focus_are_exact_and_the_same_every_time(terms, times_ms, shares, max_uc, rate):
    order, paid = settle(terms, times_ms, shares, max_uc=max_uc)

    for charge in list_charges(movements=paid, orders={"ord_1": order}):
        row = render_charge(charge=charge, parties=PARTIES, rate=rate, invoice_number="")
        assert row == render_charge(charge=charge, parties=PARTIES, rate=rate, invoice_number="")
        assert tuple(row) == COLUMNS
        with localcontext(Context(prec=80)):
            worth = Decimal(rate.millionths) / UC_PER_CREDIT
            assert Decimal(row["BilledCost"]) == Decimal(charge.amount_uc) / UC_PER_CREDIT * worth
            assert Decimal(row["PricingCurrencyEffectiveCost"]) == Decimal(charge.amount_uc) / UC_PER_CREDIT
            if charge.line:
                assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
                assert Decimal(row["ListCost"]) > Decimal(row["BilledCost"]) - worth / UC_PER_CREDIT
        assert row["BillingAccountName"] == "'=1+1"
