"""Worked rows that a reader can check by hand; the room's README shows the same table."""

import pytest

from lilong.platforms.funding.core.split import Share, split_due
from lilong.platforms.supermarket.core.pricing import AttemptUsage, Terms, Unit, charge_usage

CREDIT = 1_000_000
HOUR_MS = 3_600_000


def make_terms(offer_id, *, price_uc):
    """Four cores; a price of 250 000 uc per 1 000 core-seconds is 0.9 credits per core-hour."""
    return Terms(
        offer_id=offer_id,
        pool_id=f"pool of {offer_id}",
        provider_id=f"provider of {offer_id}",
        price_row_id=f"price of {offer_id}",
        price_uc=price_uc,
        unit=Unit.CORE,
        units=4,
        fee_ppm=50_000,
        credit_ppm=100_000,
    )


TERMS = {"a": make_terms("a", price_uc=250_000), "b": make_terms("b", price_uc=375_000)}
SHARES = [Share(rate_ppm=300_000, cap_uc=2 * CREDIT)]
MAX_UC = 10_800_000  # two hours on the dearer of the two


def use(number, offer_id, billable_ms):
    return AttemptUsage(
        attempt_id=f"att_{number}",
        number=number,
        offer_id=offer_id,
        metered_ms=billable_ms,
        billable_ms=billable_ms,
        supported_ms=billable_ms,
        longest_ms=billable_ms,
        fault=None,
        state="succeeded",
    )


@pytest.mark.parametrize(
    ("usages", "due_by_attempt", "voucher_uc", "wallet_uc"),
    [
        pytest.param(
            [use(1, "a", HOUR_MS)],
            [3_600_000],
            1_200_000,
            2_400_000,
            id="half use: of the begun credit, too, the voucher pays first",
        ),
        pytest.param([use(1, "a", 0)], [0], 0, 0, id="no use"),
        pytest.param([use(1, "a", 4)], [4], 4, 0, id="four milliseconds, inside the voucher's turn of the credit"),
        pytest.param([use(1, "b", 2 * HOUR_MS)], [10_800_000], 2_000_000, 8_800_000, id="the voucher's cap binds"),
        pytest.param(
            [use(1, "b", 2 * HOUR_MS), use(2, "a", HOUR_MS)],
            [10_800_000, 0],
            2_000_000,
            8_800_000,
            id="the order's cap cuts the later attempt",
        ),
        pytest.param(
            [use(1, "a", HOUR_MS // 2), use(2, "b", HOUR_MS)],
            [1_800_000, 5_400_000],
            2_000_000,
            5_200_000,
            id="failover to another price",
        ),
    ],
)
def test_the_charge_is_the_published_one(usages, due_by_attempt, voucher_uc, wallet_uc):
    lines = charge_usage(usages=usages, terms=TERMS, max_uc=MAX_UC)
    split = split_due(due_uc=sum(line.due_uc for line in lines), shares=SHARES)

    assert [line.due_uc for line in lines] == due_by_attempt
    assert (split.vouchers_uc, split.wallet_uc) == ((voucher_uc,), wallet_uc)
