from datetime import timedelta

import pytest
from django.db import transaction

from lilong.common.errors import NotFound
from lilong.common.permissions import Role
from lilong.foundation.ledger.public import list_open_holds, list_transfers
from lilong.foundation.members.services.organisations import suspend_organisation
from lilong.foundation.runs.models import Run
from lilong.foundation.runs.public import get_runs
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.checks import FundsShort, NotAdmitted, PriceWithdrawn, QuoteExpired, SpecDiffers
from lilong.platforms.supermarket.core.states import OrderState, StepImpossible
from lilong.platforms.supermarket.models import Order, PriceRow, Quote
from lilong.platforms.supermarket.queries.orders import get_order, get_orders, list_orders
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.platforms.supermarket.services.placing import QuoteTampered
from lilong.protocol.messages import AttemptState, Reason
from tests.books import available_uc
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall, set_price, wallet_of
from tests.people import NOW, found_operator, found_owner, join
from tests.pools import at, make_spec
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
S = AttemptState


def place(actor, view, *, seconds=0):
    return place_order(actor=actor, quote_id=view.id, now=at(seconds))


def state_of(view):
    return Order.objects.get(id=view.order_id).state


def test_taking_a_quote_turns_its_reservations_into_the_hold_and_submits_the_run():
    seller, buyer = open_stall(), found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    view = ask(buyer)
    order_id = place(buyer, view)

    order = Order.objects.get(id=order_id)
    part_uc = view.promise.voucher_max_uc
    assert (order.id, order.state, order.live_slot) == (view.order_id, OrderState.PLACED, None)
    assert available_uc(voucher.account_id) == CREDIT - part_uc
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - (150_000 - part_uc)
    run = get_runs(run_ids=[order.run_id], now=NOW)[order.run_id]
    assert (run.authorised_ms, run.spec_sha256) == (600_000, order.spec_sha256)
    assert run.attempts[0].ref == seller.offer_id


def test_live_balance_what_can_be_spent_follows_each_step_at_once():
    seller, buyer = open_stall(), found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT))
    seen = []

    def look():
        seen.append((available_uc(wallet_of(buyer)) / CREDIT, available_uc(voucher.account_id) / CREDIT))

    view = ask(buyer, spec=make_spec(walltime_s=40_000))
    look()
    place(buyer, view)
    look()
    finish(seller.agent, ms=20_000_000)
    look()
    reconcile(now=at(21_000))
    look()

    assert seen == [(100, 7), (93, 7), (93, 7), (96.5, 8.5)]


def test_a_quote_is_taken_once():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)

    assert place(buyer, view) == place(buyer, view, seconds=10_000)
    assert Run.objects.count() == 1
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - 150_000


def test_an_expired_quote_is_refused_before_and_after_it_is_cleared_away():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    with pytest.raises(QuoteExpired):
        place(buyer, view, seconds=900)
    reconcile(now=at(900))
    with pytest.raises(QuoteExpired):
        place(buyer, view, seconds=900)

    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("before", "after"), [('"max_uc":150000', '"max_uc":1'), ('"price_uc":250000', '"price_uc":1'), ("}", "} ")]
)
def test_a_quote_that_was_changed_in_the_tables_is_refused(before, after):
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    document = Quote.objects.get().document
    assert before in document
    with transaction.atomic():
        Quote.objects.update(document=document.replace(before, after))

    with pytest.raises(QuoteTampered):
        place(buyer, view)


def test_the_signed_words_of_another_order_are_refused():
    open_stall()
    buyer = found_buyer()
    view, other = ask(buyer), ask(buyer, spec=make_spec(walltime_s=60))
    cheap = Quote.objects.get(id=other.id)
    with transaction.atomic():
        Quote.objects.filter(id=view.id).update(document=cheap.document, signature=cheap.signature)

    with pytest.raises(QuoteTampered):
        place(buyer, view)


def test_other_work_than_was_quoted_is_refused():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    with transaction.atomic():
        Order.objects.update(spec=make_spec(command="python mine.py").model_dump(mode="json"))

    with pytest.raises(SpecDiffers):
        place(buyer, view)


def test_a_quote_of_somebody_else_is_not_found():
    open_stall()
    view = ask(found_buyer())
    for stranger in (found_owner(), found_operator()):
        with pytest.raises(NotFound):
            place(stranger, view)


def test_a_colleague_may_take_the_quote():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)

    assert place(join(buyer, Role.MEMBER), view) == view.order_id


def test_no_funds_hold_nothing_and_leave_the_quote_as_it_was():
    open_stall()
    buyer = found_buyer(wallet_uc=149_999)
    view = ask(buyer)
    with pytest.raises(FundsShort) as raised:
        place(buyer, view)

    assert raised.value.facts["short_uc"] == 1
    assert state_of(view) == OrderState.QUOTED
    assert available_uc(wallet_of(buyer)) == 149_999
    assert not Run.objects.exists()


def test_two_quotes_cannot_both_spend_the_same_wallet():
    open_stall()
    buyer = found_buyer(wallet_uc=200_000)
    first, second = ask(buyer), ask(buyer)
    place(buyer, first)
    with pytest.raises(FundsShort):
        place(buyer, second)


def test_an_organisation_suspended_after_the_quote_does_not_order():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    suspend_organisation(
        actor=found_operator(), organisation_id=buyer.organisation_id, reason="late statements", now=NOW
    )
    with pytest.raises(NotAdmitted):
        place(buyer, view)


def test_a_price_that_vanished_from_the_books_is_refused():
    open_stall()
    buyer = found_buyer()
    view = ask(buyer)
    with transaction.atomic():
        PriceRow.objects.update(price_uc=1)
    with pytest.raises(PriceWithdrawn):
        place(buyer, view)


def test_a_new_price_row_does_not_touch_a_quote():
    seller, buyer = open_stall(), found_buyer()
    view = ask(buyer)
    set_price(seller.owner, seller.offer_id, 999_999, now=at(1))

    assert Order.objects.get(id=place(buyer, view, seconds=2)).max_uc == 150_000


def test_handing_a_quote_back_frees_its_reservation_and_costs_nothing():
    open_stall()
    buyer = found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=CREDIT))
    view = ask(buyer)
    assert get_order(actor=buyer, order_id=view.order_id, now=NOW).cancel_costs_at_most_uc == 0
    cancel_order(actor=buyer, order_id=view.order_id, now=NOW)

    assert state_of(view) == OrderState.CANCELLED
    assert available_uc(voucher.account_id) == CREDIT
    with pytest.raises(StepImpossible):
        cancel_order(actor=buyer, order_id=view.order_id, now=NOW)


def test_what_a_cancel_costs_is_shown_before_and_never_exceeded():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    taken = seller.agent.take(seconds=1)
    seller.agent.sync(seller.agent.see(taken, S.RUNNING, seconds=41, ms=40_000), seconds=41)
    reconcile(now=at(41))
    shown = get_order(actor=buyer, order_id=order.id, now=at(41))
    assert (shown.order.state, shown.so_far_uc, shown.cancel_costs_at_most_uc) == (OrderState.ACTIVE, 10_000, 12_500)

    for _ in range(2):
        cancel_order(actor=buyer, order_id=order.id, now=at(41))
    ended = seller.agent.see(taken, S.CANCELLED, seconds=90, ms=89_000, reason=Reason.CANCELLED_BY_MEMBER)
    seller.agent.sync(ended, seconds=90)
    reconcile(now=at(91))
    order.refresh_from_db()
    assert (order.state, order.run_state) == (OrderState.SETTLED, "cancelled")
    assert 10_000 <= (order.due_uc or 0) <= 12_500


def test_an_order_cancelled_before_it_ran_costs_nothing():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    taken = seller.agent.take(seconds=1)
    cancel_order(actor=buyer, order_id=order.id, now=at(2))
    seller.agent.sync(seller.agent.see(taken, S.CANCELLED, seconds=3, reason=Reason.CANCELLED_BY_MEMBER), seconds=3)
    reconcile(now=at(4))

    order.refresh_from_db()
    assert (order.state, order.due_uc) == (OrderState.SETTLED, 0)
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT


def test_an_order_that_is_over_cannot_be_cancelled():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=1_000)
    reconcile(now=at(10))
    with pytest.raises(StepImpossible):
        cancel_order(actor=buyer, order_id=order.id, now=at(11))


def test_the_hub_may_stop_an_order_and_strangers_may_not_even_see_it():
    open_stall()
    order = buy(found_buyer())
    with pytest.raises(NotFound):
        cancel_order(actor=found_buyer(), order_id=order.id, now=NOW)
    cancel_order(actor=found_operator(), order_id=order.id, now=NOW)

    assert Run.objects.get().stop_reason == Reason.CANCELLED_BY_HUB


def test_the_timeline_shows_the_money_beside_each_step():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    timeline = get_order(actor=buyer, order_id=order.id, now=at(100)).timeline

    assert [(line.step, line.state, line.money, line.amount_uc) for line in timeline] == [
        ("sign_quote", "quoted", "reserved", 0),
        ("hold", "held", "held", 150_000),
        ("submit", "placed", "", None),
        ("end", "settling", "", None),
        ("settle", "settled", "charged", 15_000),
        ("refund", "settled", "refunded", 135_000),
    ]


def test_lists_show_orders_of_ones_own_organisation_newest_first_and_no_mere_quotes():
    open_stall()
    buyer = found_buyer()
    first, second = buy(buyer), buy(buyer)
    ask(buyer)

    assert [each.id for each in list_orders(actor=buyer, cursor=None, limit=5).items] == [second.id, first.id]
    assert list_orders(actor=found_owner(), cursor=None, limit=5).items == []
    assert len(list_orders(actor=found_operator(), cursor=None, limit=5).items) == 2
    assert set(get_orders(order_ids=[first.id, "ord_none"])) == {first.id}
    with pytest.raises(NotFound):
        get_order(actor=found_owner(), order_id=first.id, now=NOW)


def test_no_hold_outlives_its_order():
    seller, buyer = open_stall(), found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=CREDIT)
    buy(buyer)
    finish(seller.agent, ms=1_000)
    lapsed, handed_back = ask(buyer), ask(buyer)
    cancel_order(actor=buyer, order_id=handed_back.order_id, now=NOW)
    reconcile(now=at(1_000))

    assert list_open_holds(before=NOW + timedelta(days=1), limit=10) == []
    assert list_transfers(subject=lapsed.order_id)
