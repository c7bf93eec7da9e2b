"""Quotes, orders, hand-backs, expiries and settlements in an order drawn by chance, on one voucher and one wallet."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models import Sum

from lilong.common.errors import LilongError
from lilong.common.permissions import Role
from lilong.foundation.ledger.public import AccountKind, get_balances, list_open_holds, open_account
from lilong.platforms.funding.models import Voucher, VoucherUse
from lilong.platforms.funding.reactions import reconcile as reconcile_funding
from lilong.platforms.supermarket.models import QUOTE_STATES, RUNNING_STATES, Order, Provider
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.protocol.messages import AttemptState, Submit
from tests.market import CREDIT, ask, found_buyer, open_stall, take_all, wallet_of
from tests.people import NOW, join
from tests.pools import at, make_spec, settle
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 60
WALLET_UC = 2 * CREDIT


class Chance:
    """One market in which everything that may happen happens in any order."""

    def __init__(self, seed, *, rule=RULE):
        self.random = random.Random(seed)
        self.seconds = 1.0
        self.seller, self.buyer = open_stall(), found_buyer(wallet_uc=WALLET_UC)
        self.people = [self.buyer, join(self.buyer, Role.MEMBER)]
        voucher_id = give_voucher(self.buyer.organisation_id, amount_uc=CREDIT, rule=rule)
        self.voucher = Voucher.objects.get(id=voucher_id)
        self.running: list[Submit] = []

    def step(self):
        self.seconds += self.random.choice([1, 5, 400])
        acts = [self.ask, self.place, self.take, self.end, self.cancel, self.reconcile]
        (act,) = self.random.choices(acts, weights=[4, 4, 2, 2, 1, 1])
        with suppress(LilongError):
            act()

    def ask(self):
        spec = make_spec(walltime_s=self.random.choice([60, 900, 5_000]))
        ask(self.random.choice(self.people), spec=spec, seconds=self.seconds)

    def place(self):
        order = self.random.choice(list(Order.objects.filter(state="quoted")) or [None])
        if order is not None:
            place_order(actor=self.random.choice(self.people), quote_id=order.quote.id, now=at(self.seconds))

    def cancel(self):
        order = self.random.choice(list(Order.objects.filter(state__in=(*QUOTE_STATES, *RUNNING_STATES))) or [None])
        if order is not None:
            cancel_order(actor=self.buyer, order_id=order.id, now=at(self.seconds))

    def take(self):
        known = {submit.attempt_id for submit in self.running}
        self.running += take_all(self.seller.agent, known=known, seconds=self.seconds)

    def end(self):
        if self.running:
            submit = self.running.pop(self.random.randrange(len(self.running)))
            state = self.random.choice([AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED])
            ms = self.random.randrange(500, 1_000_000)
            self.seller.agent.sync(
                self.seller.agent.see(submit, state, seconds=self.seconds, ms=ms), seconds=self.seconds
            )

    def reconcile(self):
        settle(seconds=self.seconds)
        reconcile(now=at(self.seconds))

    def run_dry(self):
        """End whatever still runs, until every order is settled."""
        for _ in range(50):
            self.seconds += 1_000
            self.take()
            while self.running:
                self.end()
            self.reconcile()
            if not Order.objects.filter(state__in=(*QUOTE_STATES, *RUNNING_STATES)).exists():
                return
        raise AssertionError("Some order never settles.")


def balance_of(account):
    return get_balances(account_ids=[account])[account]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_any_order_the_voucher_pays_its_worth_and_no_more_and_no_hold_stays(seed):
    market = Chance(seed)
    for _ in range(STEPS):
        market.step()
        voucher = balance_of(market.voucher.account_id)
        assert 0 <= voucher.pending_out_uc <= voucher.posted_uc <= CREDIT
        assert balance_of(wallet_of(market.buyer)).available_uc >= 0
    market.run_dry()

    settled = Order.objects.filter(settled_at__isnull=False)
    charged_uc = sum(order.due_uc or 0 for order in settled)
    voucher_uc = sum(order.settlement.voucher_uc for order in settled)
    assert settled.count()
    assert all(0 <= (order.due_uc or 0) <= (order.max_uc or 0) for order in settled)
    assert balance_of(market.voucher.account_id).available_uc == CREDIT - voucher_uc
    assert balance_of(wallet_of(market.buyer)).available_uc == WALLET_UC - (charged_uc - voucher_uc)
    fees = open_account(kind=AccountKind.HUB_FEE, owner_id="hub", purpose="", now=NOW)
    earned = Provider.objects.get(id=market.seller.provider_id).accruing_account_id
    assert balance_of(earned).posted_uc + balance_of(fees).posted_uc == charged_uc
    assert list_open_holds(before=NOW + timedelta(days=9), limit=5) == []

    reconcile_funding(now=NOW + timedelta(days=RULE.expires_in_days, seconds=1))
    assert balance_of(market.voucher.programme.account_id).available_uc == CREDIT - voucher_uc


YEAR_CAP_UC = 300_000


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_any_order_a_cap_of_the_year_counts_live_quotes_and_is_never_exceeded(seed):
    market = Chance(seed, rule=replace(RULE, year_cap_uc=YEAR_CAP_UC))
    for _ in range(STEPS):
        market.step()
        voucher = balance_of(market.voucher.account_id)
        counted_uc = VoucherUse.objects.aggregate(sum=Sum("amount_uc"))["sum"] or 0
        assert counted_uc == CREDIT - voucher.posted_uc + voucher.pending_out_uc <= YEAR_CAP_UC
    market.run_dry()

    paid_uc = VoucherUse.objects.aggregate(sum=Sum("amount_uc"))["sum"]
    assert 0 < paid_uc <= YEAR_CAP_UC
    assert balance_of(market.voucher.account_id).available_uc == CREDIT - paid_uc
    assert set(VoucherUse.objects.values_list("year", flat=True)) == {NOW.year}
