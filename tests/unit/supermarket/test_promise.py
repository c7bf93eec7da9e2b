from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.promise import Promise, QuotedOffer, QuotedVoucher, read_promise
from lilong.platforms.supermarket.core.starts import Starts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROMISE = Promise(
    quote_id="quo_1",
    order_id="ord_1",
    organisation_id="org_1",
    spec_sha256="0" * 64,
    offers=(
        QuotedOffer(
            offer_id="off_1",
            pool_id="pool_1",
            provider_id="prv_1",
            price_row_id="prc_1",
            price_uc=25,
            unit=Unit.CORE,
            units=4,
            fee_ppm=50_000,
            credit_ppm=100_000,
            expected_uc=10,
            max_uc=20,
            wallet_uc=5,
            because="最便宜",
            starts=Starts.NOW,
        ),
    ),
    environments={"pool_1": "1" * 64},
    vouchers=(QuotedVoucher(voucher_id="vou_1", account_id="acc_1", rate_ppm=500_000, cap_uc=7, rule_sha256="2" * 64),),
    wallet_account="acc_2",
    escrow_account="acc_3",
    expected_ms=1_000,
    expected_basis="history",
    max_ms=2_000,
    quoted_uc=10,
    max_uc=20,
    voucher_max_uc=7,
    quoted_at=NOW,
    expires_at=NOW,
)


def test_what_was_signed_reads_back_as_it_was_promised():
    assert read_promise(content=PROMISE.content) == PROMISE
    assert read_promise(content=PROMISE.content).content == PROMISE.content


def test_moments_have_one_form():
    assert b'"expires_at":"2026-03-01T12:00:00.000000Z"' in PROMISE.content


@pytest.mark.parametrize("form", [b'"form":"lilong.quote.2"', b'"form":"lilong.quote.1","more":1'])
def test_another_form_is_not_read_as_this_one(form):
    with pytest.raises(ValidationError):
        read_promise(content=PROMISE.content.replace(b'"form":"lilong.quote.1"', form))
