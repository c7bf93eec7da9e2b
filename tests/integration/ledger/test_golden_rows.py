"""Three orders, transfer by transfer: whoever changes what the ledger writes for them changes these rows."""

import pytest

from lilong.foundation.ledger.public import AccountKind, export_csv, post_many, require_posted
from lilong.platforms.funding.core.split import Share, split_due
from tests.books import NOW, link, open_funded, pend, post, settle

pytestmark = pytest.mark.django_db

CREDIT = 1_000_000
SHARES = [Share(rate_ppm=300_000, cap_uc=2 * CREDIT)]

GOLDEN = {
    "half use": (
        (5 * CREDIT,),
        """\
pend voucher order_escrow 2000000
pend wallet order_escrow 8000000
post order_escrow provider_accruing 4900000
post order_escrow hub_fee 100000
settle voucher order_escrow 1500000
settle wallet order_escrow 3500000""",
    ),
    "the voucher's cap is hit mid-run": (
        (9 * CREDIT,),
        """\
pend voucher order_escrow 2000000
pend wallet order_escrow 8000000
post order_escrow provider_accruing 8820000
post order_escrow hub_fee 180000
settle voucher order_escrow 2000000
settle wallet order_escrow 7000000""",
    ),
    "failover to another provider at another price": (
        (2 * CREDIT, 1_500_001),
        """\
pend voucher order_escrow 2000000
pend wallet order_escrow 8000000
post order_escrow provider_accruing 1960000
post order_escrow provider_accruing 1470001
post order_escrow hub_fee 70000
settle voucher order_escrow 1200000
settle wallet order_escrow 2300001""",
    ),
}


@pytest.mark.parametrize("story", GOLDEN)
def test_an_order_is_held_and_settled_by_these_rows(story):
    dues_uc, expected = GOLDEN[story]
    most, due = split_due(due_uc=10 * CREDIT, shares=SHARES), split_due(due_uc=sum(dues_uc), shares=SHARES)
    voucher = open_funded(kind=AccountKind.VOUCHER, restriction="compute", amount_uc=2 * CREDIT)
    wallet, fee = open_funded(amount_uc=8 * CREDIT), open_funded(kind=AccountKind.HUB_FEE)
    escrow = open_funded(kind=AccountKind.ORDER_ESCROW, restriction="compute")
    providers = [open_funded(kind=AccountKind.PROVIDER_ACCRUING) for _ in dues_uc]

    holds = [
        pend(payer, escrow, held_uc, transfer_id=f"o.{number}")
        for number, (payer, held_uc) in enumerate(((voucher, most.vouchers_uc[0]), (wallet, most.wallet_uc)))
    ]
    fees_uc = [due_uc * 2 // 100 for due_uc in dues_uc]
    ends = [settle(holds[0], due.vouchers_uc[0], transfer_id="o.8"), settle(holds[1], due.wallet_uc, transfer_id="o.9")]
    pays = [
        post(escrow, provider, due_uc - fee_uc, transfer_id=f"o.{number + 3}")
        for number, (provider, due_uc, fee_uc) in enumerate(zip(providers, dues_uc, fees_uc, strict=True))
    ]
    groups = [link(*holds), link(*ends, *pays, post(escrow, fee, sum(fees_uc), transfer_id="o.6"))]
    require_posted(results=post_many(groups=groups, now=NOW))

    rows = [line.split(",") for line in export_csv(subject="ord_1").decode().splitlines()]
    kind, debit, credit, amount = (rows[0].index(each) for each in ("kind", "debit_role", "credit_role", "amount_uc"))
    ours = [row for row in rows if row[0].startswith("o.")]
    assert "\n".join(" ".join((row[kind], row[debit], row[credit], row[amount])) for row in ours) == expected
