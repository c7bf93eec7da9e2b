import pytest
from django.db import transaction

from lilong.foundation.outbox.public import KeyReused
from lilong.platforms.supermarket.core.checks import MaxCostExceeded
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Order, Quote
from lilong.platforms.supermarket.reactions import reconcile
from tests.market import CREDIT, ask, found_buyer, open_stall
from tests.pools import at, make_spec

pytestmark = pytest.mark.django_db(transaction=True)

LATE_S = 16 * 60


def die_before_signing():
    """Put the only quote back to the draft that a process killed before its second transaction leaves."""
    with transaction.atomic():
        Quote.objects.all().delete()
        Order.objects.update(state=OrderState.DRAFT, expires_at=at(600))


def test_a_repeated_request_finds_its_quote_and_takes_no_second_place():
    open_stall()
    buyer = found_buyer()
    first = ask(buyer, request_name="r1")

    assert [ask(buyer, request_name="r1", seconds=30).id for _ in range(4)] == [first.id] * 4
    assert Order.objects.count() == 1


def test_a_repetition_finishes_the_draft_of_a_process_that_was_killed():
    open_stall()
    buyer = found_buyer()
    ask(buyer, request_name="r1")
    die_before_signing()
    view = ask(buyer, request_name="r1", seconds=30)

    assert view.state is OrderState.QUOTED
    assert Order.objects.count() == 1


def test_a_draft_that_has_lapsed_is_not_gone_on_with():
    open_stall()
    buyer = found_buyer()
    ask(buyer, request_name="r1")
    die_before_signing()
    ask(buyer, request_name="r1", seconds=LATE_S)

    assert sorted(Order.objects.values_list("state", flat=True)) == [OrderState.EXPIRED, OrderState.QUOTED]


def test_a_repetition_after_the_expiry_is_told_of_the_quote_as_it_now_is():
    open_stall()
    buyer = found_buyer()
    first = ask(buyer, request_name="r1")
    reconcile(now=at(LATE_S))
    again = ask(buyer, request_name="r1", seconds=LATE_S)

    assert (again.id, again.state) == (first.id, OrderState.EXPIRED)


def test_a_request_that_was_refused_may_be_sent_again_once_it_would_pass():
    open_stall()
    buyer = found_buyer()
    with pytest.raises(MaxCostExceeded):
        ask(buyer, max_cost_uc=1, request_name="r1")

    assert ask(buyer, request_name="r1").state is OrderState.QUOTED


def test_a_name_with_another_job_is_refused():
    open_stall()
    buyer = found_buyer()
    ask(buyer, request_name="r1")

    for other in ({"spec": make_spec(walltime_s=7)}, {"max_cost_uc": CREDIT}):
        with pytest.raises(KeyReused):
            ask(buyer, request_name="r1", **other)
