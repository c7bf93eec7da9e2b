import pytest

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.platforms.supermarket.models import BudgetDecision, Order
from tests.api.calls import call, get, make_buyer_token, post, read_problem
from tests.market import open_stall
from tests.people import act, make_member_token
from tests.pools import make_spec

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]

SPEC = {"spec": make_spec().model_dump(mode="json")}


@pytest.fixture
def owner():
    open_stall(now=utc_now())
    return make_buyer_token()


def test_a_budget_that_is_spent_meanwhile_refuses_an_order_with_a_key_and_keeps_what_it_said(owner):
    quotes = [post("quotes", owner, SPEC)["quote_id"] for _ in range(2)]
    budget_id = post("budgets", owner, {"name": "all", "limit_uc": 150_000})["id"]
    post("orders", owner, {"quote_id": quotes[0]}, key="a")
    problem = read_problem(call("POST", "orders", owner, {"quote_id": quotes[1]}, key="b"))

    assert (problem["code"], problem["status"]) == ("order.budget_exceeded", 402)
    assert problem["facts"]["left_uc"] == 0
    assert BudgetDecision.objects.filter(code="order.budget_exceeded", step="hold").count() == 1
    (budget,) = get("budgets", owner)["items"]
    assert (budget["id"], budget["room"]["held_uc"]) == (budget_id, 150_000)
    assert [each["distance_uc"] for each in get("budget-decisions", owner)["items"]] == [-150_000, 0]
    assert call("DELETE", f"budgets/{budget_id}", owner).status_code == 204
    assert post("orders", owner, {"quote_id": quotes[1]}, key="b")["state"] == "placed"


def test_a_quote_for_a_project_says_so_and_another_organisations_project_is_not_found(owner):
    project_id = post("projects", owner, {"name": "speech"})["id"]

    assert post("quotes", owner, {**SPEC, "project_id": project_id})["project_id"] == project_id
    problem = read_problem(call("POST", "quotes", make_buyer_token(), {**SPEC, "project_id": project_id}))
    assert problem["code"] == "project.missing"


def test_an_order_above_the_limit_is_awaiting_until_somebody_else_approves_it(owner):
    limits = {"approval_above_uc": 0, "low_balance_uc": None}
    assert call("PUT", "spending-rule", owner, limits).status_code == 200
    assert get("spending-rule", owner)["approval_above_uc"] == 0
    token = make_member_token(act(owner, now=utc_now()), Role.ADMIN, now=utc_now())
    placed = post("orders", owner, {"quote_id": post("quotes", owner, SPEC)["quote_id"]}, key="a")

    assert (placed["state"], placed["run_id"]) == ("awaiting", "")
    assert [each["id"] for each in get("approvals", token)["items"]] == [placed["id"]]
    assert call("POST", f"orders/{placed['id']}/approve", owner, {"reason": "Mine."}).status_code == 403
    approved = post(f"orders/{placed['id']}/approve", token, {"reason": "Fine."}, key="b", status=200)
    assert approved["order"]["state"] == "placed"
    assert get("approvals", token)["items"] == []


def test_a_repeated_order_is_quoted_once_for_each_key_and_nothing_is_ordered(owner):
    placed = post("orders", owner, {"quote_id": post("quotes", owner, SPEC)["quote_id"]})
    quotes = [post(f"orders/{placed['id']}/repeat", owner, None, key="again") for _ in range(2)]

    assert quotes[0] == quotes[1]
    assert quotes[0]["state"] == "quoted"
    assert Order.objects.filter(state="placed").count() == 1
