import pytest

from lilong.common.time import utc_now
from lilong.foundation.cases.core.decisions import Decision
from lilong.platforms.supermarket.core.pricing import HOUR_MS
from lilong.platforms.supermarket.models import Order
from tests.api.calls import call, get, make_buyer_token, post, read_problem, seconds_now
from tests.cards import decide_review, make_job, open_hall

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def buyer():
    open_hall(now=utc_now())
    return make_buyer_token()


def ask(token, card_hours):
    return post("quotes", token, {"spec": make_job(card_hours).model_dump(mode="json")})["quote_id"]


def test_the_rule_is_published_with_who_decides_and_by_when(buyer):
    rule = get("routes", buyer)

    assert (rule["name"], rule["version"], rule["window_days"], rule["usable_days"]) == ("routes", "1", 30, 90)
    assert [(each["up_to_ms"] // HOUR_MS, each["approvals"], each["days"]) for each in rule["routes"]] == [
        (5_000, 0, 0),
        (20_000, 1, 7),
        (150_000, 2, 21),
    ]


@pytest.mark.parametrize(
    ("card_hours", "way", "route", "approvals"),
    [(4_992, "automatic", "automatic", 0), (6_400, "review", "light", 1), (20_032, "review", "full", 2)],
)
def test_a_quote_says_by_which_route_it_goes(buyer, card_hours, way, route, approvals):
    said = get(f"quotes/{ask(buyer, card_hours)}/route", buyer)

    assert (said["way"], said["route"], said["approvals"], said["asked_ms"]) == (
        way,
        route,
        approvals,
        card_hours * HOUR_MS,
    )


def test_a_large_order_is_awaiting_with_its_review_until_it_is_decided(buyer):
    placed = post("orders", buyer, {"quote_id": ask(buyer, 6_400), "purpose": "Tides."}, key="a")
    assert (placed["state"], placed["run_id"]) == ("awaiting", "")
    assert get("approvals", buyer)["items"] == []
    review = get(f"orders/{placed['id']}", buyer)["review"]
    assert (review["route"], review["decision"], review["is_late"], review["ends_at"]) == ("light", "", False, None)

    order = Order.objects.get(id=placed["id"])
    decide_review(order, Decision.APPROVE, seconds=seconds_now())
    shown = get(f"orders/{placed['id']}", buyer)
    assert (shown["order"]["state"], shown["drawn_from"]) == ("placed", placed["id"])
    assert shown["review"]["decision"] == "approved"


def test_beyond_every_review_it_says_where_to_go(buyer):
    body = {"spec": make_job(150_016).model_dump(mode="json")}
    problem = read_problem(call("POST", "quotes", buyer, body))

    assert (problem["code"], problem["status"]) == ("order.open_call_needed", 403)
    assert problem["facts"]["limit_card_ms"] == 150_000 * HOUR_MS
    assert "open call" in problem["next_step"]
