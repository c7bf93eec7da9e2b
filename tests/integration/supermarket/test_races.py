"""Many at once: on one voucher, on one wallet, on one quote. On SQLite the write gate lets them in one by one."""

import pytest

from lilong.common.permissions import Role
from lilong.foundation.ledger.public import get_balances
from lilong.foundation.runs.models import Run
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.checks import LiveQuotesReached
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.public import QuoteView
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.orders import place_order
from tests.books import available_uc
from tests.crowd import call_at_once
from tests.market import CREDIT, ask, found_buyer, open_stall, wallet_of
from tests.people import NOW, join
from tests.pools import at, make_spec
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 12


def test_quotes_at_once_never_reserve_more_than_a_voucher_holds():
    open_stall()
    buyer = found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=CREDIT, rule=RULE))
    colleagues = [join(buyer, Role.MEMBER) for _ in range(WORKERS)]
    spec = make_spec(walltime_s=6_000)
    views = call_at_once(lambda actor: ask(actor, spec=spec), colleagues)

    reserved_uc = [view.promise.voucher_max_uc for view in views if isinstance(view, QuoteView)]
    assert sum(reserved_uc) == CREDIT
    assert available_uc(voucher.account_id) == 0
    reconcile(now=at(900))
    assert available_uc(voucher.account_id) == CREDIT


def test_one_quote_taken_by_many_at_once_becomes_one_order():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    found = call_at_once(lambda _: place_order(actor=buyer, quote_id=view.id, now=NOW), range(WORKERS))

    assert set(found) == {view.order_id}
    assert Run.objects.count() == 1
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - 150_000


def test_one_person_asking_many_times_at_once_gets_three_live_quotes():
    open_stall()
    buyer = found_buyer()
    found = call_at_once(lambda _: ask(buyer), range(WORKERS))

    assert sum(isinstance(each, LiveQuotesReached) for each in found) == WORKERS - 3
    assert set(Order.objects.values_list("live_slot", flat=True)) == {0, 1, 2}


def test_a_quote_that_expires_while_it_is_taken_is_either_held_or_released():
    open_stall()
    buyer = found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    view = ask(buyer)

    def act(number):
        if number % 2:
            return reconcile(now=at(900))
        return place_order(actor=buyer, quote_id=view.id, now=at(899))

    call_at_once(act, range(4))
    order = Order.objects.get()
    balance = get_balances(account_ids=[voucher.account_id])[voucher.account_id]
    assert order.state in {"placed", "expired"}
    assert balance.pending_out_uc == (view.promise.voucher_max_uc if order.state == "placed" else 0)
