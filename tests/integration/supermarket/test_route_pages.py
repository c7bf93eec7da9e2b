import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lilong.common.django.once import new_key
from lilong.common.time import utc_now
from lilong.foundation.cases.core.decisions import Decision
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.reactions import reconcile as watch
from lilong.platforms.supermarket.models import Order, Quote
from lilong.platforms.supermarket.reactions import reconcile
from tests.api.calls import seconds_now
from tests.cards import ask_for, decide_review, open_hall, order_hours
from tests.market import found_buyer
from tests.people import found_operator
from tests.pools import at
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)

QUERIES_MAX = 12
LATER_S = 1_000


@pytest.fixture
def hall():
    return open_hall(now=utc_now() - timedelta(seconds=LATER_S))


@pytest.fixture
def buyer(hall):
    buyer = found_buyer(now=utc_now() - timedelta(seconds=LATER_S))
    browse_as(buyer).get("/shelf")  # which is read into memory once
    return buyer


def read(client, path):
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200, response.content
    assert len(queries) <= QUERIES_MAX, path
    return re.sub(r"\s+", " ", response.content.decode())


def test_a_quote_says_who_reviews_its_size_by_when_before_anything_is_asked(buyer):
    view = ask_for(buyer, 6_400, seconds=seconds_now())
    page = read(browse_as(buyer), f"/quotes/{view.id}")

    assert "This size is reviewed first: 1 operator of the hub, within 7 days" in page
    assert "<dd>6,400</dd>" in page
    assert "Ask for the review" in page
    assert 'name="purpose"' in page
    assert "150,000" in page


def test_a_small_quote_asks_nothing_and_says_that_it_goes_through(buyer):
    page = read(browse_as(buyer), f"/quotes/{ask_for(buyer, 32, seconds=seconds_now()).id}")

    assert "Nobody has to review it: it goes through at once." in page
    assert "Order now" in page
    assert 'name="purpose"' not in page


def test_the_form_asks_for_the_review_and_the_order_shows_which_and_by_when(buyer):
    browser = browse_as(buyer)
    view = ask_for(buyer, 20_032, seconds=seconds_now())
    answer = browser.post(f"/quotes/{view.id}/order", {"purpose": "A model of the city's tides."})
    page = read(browser, answer["Location"])
    case = Case.objects.get()

    assert "Review of its size" in page
    assert "2 different operators of the hub, within 21 days" in page
    assert f"/cases/{case.id}" in page
    assert "Withdraw the order" in page
    desk = read(browse_as(found_operator(now=utc_now())), f"/desk/cases/{case.id}")
    assert "Full review of a large order" in desk
    assert "A model of the city&#x27;s tides." in desk
    assert "129,968" in desk  # card-hours below the limit


def test_what_was_approved_late_is_quoted_anew_by_a_button(hall, buyer):
    browser = browse_as(buyer)
    order = order_hours(buyer, 6_400, seconds=seconds_now() - LATER_S)
    reconcile(now=utc_now())
    hall.agent.sync(seconds=seconds_now())
    decide_review(order, Decision.APPROVE, seconds=seconds_now(), reason="Sound work.")
    page = read(browser, f"/orders/{order.id}")

    assert "Order it now" in page
    assert "Sound work." in page
    assert "6,400 card-hours" in page
    answer = browser.post(f"/orders/{order.id}/again", {"key": new_key()})
    quote = read(browser, answer["Location"])
    assert "A review has approved it already" in quote
    taken = browser.post(f"{answer['Location']}/order")
    drawn = read(browser, taken["Location"])
    assert f"/orders/{order.id}" in drawn
    assert Quote.objects.count() == 2
    assert Order.objects.get(drawn_from=order.review).state == "placed"


def test_a_request_is_withdrawn_by_its_page(buyer):
    browser = browse_as(buyer)
    order = order_hours(buyer, 6_400, seconds=seconds_now())
    browser.post(f"/orders/{order.id}/cancel")
    page = read(browser, f"/orders/{order.id}")

    assert "Withdrawn" in page
    assert "Withdraw the order" not in page


def test_late_operators_are_told_of_on_the_page(buyer):
    order = order_hours(buyer, 6_400, seconds=seconds_now())
    watch(at(seconds_now() + 8 * 24 * 3600))

    assert "It takes longer than the hub promised" in read(browse_as(buyer), f"/orders/{order.id}")
