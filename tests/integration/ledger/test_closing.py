"""Closing periods: what is kept of each account, and that no balance of the past changes by it."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import ClosingBalance, Period
from lilong.foundation.ledger.models import Transfer as TransferRow
from lilong.foundation.ledger.public import AccountKind, Transfer, get_balances, post_many, require_posted
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.ledger.services.periods import close_period
from tests.actors import make_operator
from tests.books import NOW, build, link, open_funded

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
ORDERS = 3
STEPS = st.sampled_from(["close", *((what, n) for what in ("hold", "settle", "void", "pay") for n in range(ORDERS))])


class Shop:
    """A wallet that holds money for orders, each with an escrow of its own, and a provider who is paid from them."""

    def __init__(self, *, orders: int) -> None:
        self.wallet, self.provider = open_funded(amount_uc=1000), open_funded(kind=AccountKind.PROVIDER_ACCRUING)
        self.escrows = [open_funded(kind=AccountKind.ORDER_ESCROW) for _ in range(orders)]
        self.holds: dict[int, Transfer] = {}

    @property
    def accounts(self):
        return [self.wallet, self.provider, *self.escrows]

    def step(self, what, order, *, at):
        """Do one thing with an order; nothing where the order has no hold to end, or has one already."""
        escrow, hold = self.escrows[order], self.holds.get(order)
        if what == "hold" and hold is None:
            self.holds[order] = self._post(TransferKind.PEND, self.wallet, escrow, 10, at=at)
        elif what == "settle" and hold is not None:
            self._post(TransferKind.SETTLE, self.wallet, escrow, 7, at=at, pending_id=self.holds.pop(order).id)
        elif what == "void" and hold is not None:
            self._post(TransferKind.VOID, self.wallet, escrow, 0, at=at, pending_id=self.holds.pop(order).id)
        elif what == "pay":
            amount_uc = get_balances(account_ids=[escrow])[escrow].posted_uc
            self._post(TransferKind.POST, escrow, self.provider, amount_uc, at=at)

    def _post(self, kind, debit, credit, amount_uc, *, at, pending_id=None):
        transfer = build(
            *(kind, debit, credit, amount_uc), transfer_id="", code="x", effective_at=at, pending_id=pending_id
        )
        require_posted(results=post_many(groups=[link(transfer)], now=at))
        return transfer


def close(*, at):
    return close_period(actor=make_operator(), ends_at=at, now=at)


def find_moved(period):
    transfers = TransferRow.objects.filter(effective_at__lt=period.ends_at)
    if period.starts_at:
        transfers = transfers.filter(effective_at__gte=period.starts_at)
    return {account for pair in transfers.values_list("debit_account", "credit_account") for account in pair}


@settings(max_examples=60)
@given(steps=st.lists(STEPS, min_size=1, max_size=20))
def test_whatever_happens_between_closings_the_past_stays_and_only_what_moved_or_is_not_empty_has_a_row(steps):
    point = transaction.savepoint()
    shop, then, expected, at = Shop(orders=ORDERS), [], [], NOW
    for number, step in enumerate(steps, start=1):
        at = NOW + number * HOUR
        if step == "close":
            close(at=at)
        else:
            shop.step(*step, at=at)
        then.append(at)
        expected.append(get_balances(account_ids=shop.accounts))

    assert [get_balances(account_ids=shop.accounts, at=at) for at in then] == expected
    assert verify(now=at).is_balanced
    for period in Period.objects.all():
        rows = ClosingBalance.objects.filter(period=period)
        is_empty = {row.account_id: not (row.posted_uc or row.pending_out_uc or row.pending_in_uc) for row in rows}
        moved = find_moved(period)
        assert moved <= set(is_empty)
        assert all(account in moved for account, empty in is_empty.items() if empty)
    transaction.savepoint_rollback(point)


def test_orders_that_are_over_cost_one_row_each_and_none_in_later_closings():
    shop = Shop(orders=40)
    for order in range(40):
        for what in ("hold", "settle", "pay"):
            shop.step(what, order, at=NOW)
    closings = [close(at=NOW + number * HOUR) for number in (1, 2, 3)]

    rows = Counter(ClosingBalance.objects.values_list("period", flat=True))
    outside = 1
    assert [rows[closing] for closing in closings] == [40 + 2 + outside, 2 + outside, 2 + outside]
