import pytest

from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.reactions import reconcile
from tests.books import available_uc
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, wallet_of
from tests.pools import at

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_is_quoted_held_run_and_settled_at_what_was_metered():
    seller, buyer = open_stall(), found_buyer(wallet_uc=CREDIT)
    order = buy(buyer)
    assert order.max_uc == 150_000
    assert available_uc(wallet_of(buyer)) == CREDIT - 150_000

    finish(seller.agent, ms=60_500)
    reconcile(now=at(100))
    order.refresh_from_db()

    assert (order.state, order.run_state, order.due_uc) == (OrderState.SETTLED, "succeeded", 15_125)
    assert available_uc(wallet_of(buyer)) == CREDIT - 15_125
