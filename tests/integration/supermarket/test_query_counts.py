import pytest

from lilong.platforms.funding.queries import list_programmes, list_vouchers
from lilong.platforms.supermarket.queries.orders import get_order, list_orders
from lilong.platforms.supermarket.queries.quotes import list_quotes
from lilong.platforms.supermarket.queries.shelf import list_offers, list_providers
from lilong.platforms.supermarket.reactions import reconcile
from tests.market import CREDIT, ask, buy, found_buyer, open_stall
from tests.people import NOW
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy_market():
    """Return a buyer in a market with several of everything."""
    for name in "abc":
        open_stall(name=name)
    buyer = found_buyer()
    for name in "xyz":
        give_voucher(buyer.organisation_id, amount_uc=CREDIT, name=name)
        buy(buyer)
        ask(buyer)
    return buyer


@pytest.mark.parametrize(
    ("most", "read"),
    [
        (1, lambda actor: list_orders(actor=actor, cursor=None, limit=50)),
        (1, lambda actor: list_quotes(actor=actor, cursor=None, limit=50)),
        (2, lambda _: list_offers(now=NOW, accelerator=None, cursor=None, limit=50)),
        (3, lambda _: list_providers(cursor=None, limit=50)),
        (2, lambda actor: list_vouchers(actor=actor, cursor=None, limit=50)),
        (3, lambda actor: list_programmes(actor=actor, cursor=None, limit=50, now=NOW)),
    ],
)
def test_a_list_costs_the_same_however_much_is_in_it(busy_market, django_assert_max_num_queries, most, read):
    with django_assert_max_num_queries(most):
        page = read(busy_market)

    assert len(page.items) >= 3


def test_an_order_is_shown_with_few_queries(busy_market, django_assert_max_num_queries):
    order = list_orders(actor=busy_market, cursor=None, limit=1).items[0]
    with django_assert_max_num_queries(7):
        assert get_order(actor=busy_market, order_id=order.id, now=NOW).timeline


def test_a_quiet_market_is_reconciled_with_few_queries(busy_market, django_assert_max_num_queries):
    reconcile(now=NOW)
    with django_assert_max_num_queries(10):
        reconcile(now=NOW)
