import json

import pytest
from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.foundation.ledger.public import AccountKind, get_balances, list_transfers, open_account
from lilong.foundation.outbox.public import deliver
from lilong.foundation.record.models import Entry
from lilong.foundation.runs.public import cancel_run
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Order, Provider, Settlement
from lilong.platforms.supermarket.queries.quotes import render_quote
from lilong.platforms.supermarket.reactions import on_run_changed, reconcile
from lilong.protocol.messages import AttemptState, Reason, Submit
from lilong.web.wiring import SUBSCRIBERS
from tests.books import available_uc
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.people import NOW
from tests.pools import at, make_spec
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
S = AttemptState
THIRTY_DAYS = 30 * 86_400


def posted_uc(account):
    return get_balances(account_ids=[account])[account].posted_uc


def hub_account(kind):
    return open_account(kind=kind, owner_id="hub", purpose="", now=NOW)


def earned_uc(seller):
    return posted_uc(Provider.objects.get(id=seller.provider_id).accruing_account_id)


def settled(order):
    order.refresh_from_db()
    assert order.state in {OrderState.SETTLED, OrderState.DISPUTED}
    return order


def test_what_is_charged_goes_to_provider_and_hub_and_the_rest_back_to_the_same_payers():
    seller, buyer = open_stall(fee_ppm=50_000), found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT))
    order = buy(buyer, spec=make_spec(walltime_s=20_000, resources={"cores": 4}))
    finish(seller.agent, ms=10_000_000)
    reconcile(now=at(11_000))

    assert settled(order).due_uc == 10 * CREDIT
    assert available_uc(voucher.account_id) == 7 * CREDIT
    assert available_uc(wallet_of(buyer)) == 93 * CREDIT
    assert earned_uc(seller) == 9_500_000
    assert posted_uc(hub_account(AccountKind.HUB_FEE)) == 500_000
    assert Settlement.objects.get().refunded_uc == 10 * CREDIT


def test_an_event_settles_at_once():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    while deliver(now=at(70), subscribers=SUBSCRIBERS):
        pass

    assert settled(order).due_uc == 15_000


def test_settling_happens_once_however_often_it_is_asked_for():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    for _ in range(2):
        on_run_changed({"run_id": order.run_id}, now=at(70))
        reconcile(now=at(70))

    assert settled(order).due_uc == 15_000
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - 15_000
    assert Entry.objects.filter(kind="supermarket.settlement").count() == 1


def test_a_run_that_no_order_placed_is_nobodys_business():
    on_run_changed({"run_id": "run_of_somebody"}, now=NOW)


def test_the_record_holds_the_hashes_of_the_exports():
    seller, buyer = open_stall(), found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=CREDIT)
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(70))

    told = json.loads(Entry.objects.get(kind="supermarket.settlement", subject_id=order.id).payload.content)
    kept = Settlement.objects.get()
    assert told == {
        "charged_uc": 15_000,
        "max_uc": 150_000,
        "order_id": order.id,
        "quote_sha256": sha256_hex(render_quote(quote=order.quote)),
        "refunded_uc": 135_000,
        "transfers_sha256": sha256_hex(kept.transfers_csv.encode()),
        "usage_sha256": sha256_hex(kept.usage_csv.encode()),
        "voucher_uc": 15_000,
    }


def test_a_run_that_used_nothing_is_charged_nothing():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    for second in (1, 2, 3):
        taken = seller.agent.take(seconds=second)
        seller.agent.sync(
            seller.agent.see(taken, S.FAILED, seconds=second, reason=Reason.STAGING_FAILED), seconds=second
        )
    reconcile(now=at(10))

    assert (settled(order).due_uc, order.run_state) == (0, "failed")
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT
    assert earned_uc(seller) == 0


def test_a_failover_charges_each_attempt_at_its_own_price():
    cheap, dear = open_stall(name="a", price_uc=250_000), open_stall(name="b", price_uc=375_000)
    buyer = found_buyer()
    order = buy(buyer, spec=make_spec(checkpoint={"path": "state"}))
    assert order.max_uc == 225_000
    first = cheap.agent.take(seconds=1)
    cheap.agent.sync(cheap.agent.see(first, S.REJECTED, seconds=2, reason=Reason.ENGINE_REFUSED), seconds=2)
    finish(dear.agent, ms=60_000, seconds=3)
    reconcile(now=at(100))

    assert settled(order).due_uc == 22_500
    assert (earned_uc(cheap), earned_uc(dear)) == (0, 21_375)


def test_a_providers_fault_is_not_billed_and_its_credit_comes_out_of_what_it_earned():
    seller, buyer = open_stall(credit_ppm=100_000), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=40_000, state=S.FAILED, reason=Reason.SHIM_LOST)
    finish(seller.agent, ms=60_000, seconds=50)
    reconcile(now=at(200))

    assert settled(order).due_uc == 15_000
    assert order.relieved_at == at(200)
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - 15_000 + 1_000
    assert earned_uc(seller) == 14_250 - 1_000
    assert [(each.code, each.amount_uc) for each in list_transfers(subject=order.id) if each.code == "service_credit"]


def test_a_credit_beyond_what_was_earned_waits_until_the_reserve_can_bear_it():
    seller, buyer = open_stall(credit_ppm=1_000_000), found_buyer()
    order = buy(buyer, spec=make_spec(max_attempts=1))
    finish(seller.agent, ms=40_000, state=S.FAILED, reason=Reason.SHIM_LOST)
    reconcile(now=at(100))
    assert (settled(order).due_uc, order.relieved_at) == (0, None)
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT

    pay_in(hub_account(AccountKind.SERVICE_RESERVE), 10_000)
    for _ in range(2):
        reconcile(now=at(200))
    assert settled(order).relieved_at == at(200)
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT + 10_000
    assert available_uc(hub_account(AccountKind.SERVICE_RESERVE)) == 0


def test_time_that_the_hubs_fault_wasted_is_paid_to_the_provider_by_the_reserve():
    seller, buyer = open_stall(fee_ppm=50_000), found_buyer()
    pay_in(hub_account(AccountKind.SERVICE_RESERVE), CREDIT)
    order = buy(buyer)
    taken = seller.agent.take(seconds=1)
    seller.agent.sync(seller.agent.see(taken, S.RUNNING, seconds=41, ms=40_000), seconds=41)
    cancel_run(run_id=order.run_id, reason=Reason.CANCELLED_BY_HUB, now=at(41))
    seller.agent.sync(
        seller.agent.see(taken, S.CANCELLED, seconds=42, ms=40_000, reason=Reason.CANCELLED_BY_HUB), seconds=42
    )
    reconcile(now=at(100))

    assert settled(order).due_uc == 0
    assert earned_uc(seller) == 9_500
    assert available_uc(hub_account(AccountKind.SERVICE_RESERVE)) == CREDIT - 9_500


def test_the_share_of_a_voucher_that_expired_while_the_order_ran_goes_to_its_programme():
    seller, buyer = open_stall(), found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    late = THIRTY_DAYS - 30
    seller.agent.sync(seconds=late - 1)
    order = buy(buyer, seconds=late)
    taken = seller.agent.take(seconds=late + 1)
    finish(seller.agent, ms=60_000, seconds=late + 2, submit=taken)
    reconcile(now=at(late + 100))

    assert settled(order).due_uc == 15_000
    assert RULE.rate_ppm
    assert available_uc(voucher.account_id) == 0
    assert available_uc(voucher.programme.account_id) == CREDIT - 15_000


def test_one_order_in_trouble_holds_up_no_other():
    seller, buyer = open_stall(), found_buyer()
    broken, fine = buy(buyer), buy(buyer)
    submits = [each for each in seller.agent.sync(seconds=1).commands if isinstance(each, Submit)]
    for submit in submits:
        finish(seller.agent, ms=1_000, submit=submit)
    with transaction.atomic():
        Order.objects.filter(id=broken.id).update(max_uc=None)
        broken.quote.document = "{}"
        broken.quote.save()
    reconcile(now=at(100))

    broken.refresh_from_db()
    assert broken.state == OrderState.PLACED
    assert settled(fine).due_uc == 250
