from datetime import timedelta

import pytest

from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.foundation.members.public import OrganisationKind
from lilong.platforms.funding.reactions import reconcile as reconcile_funding
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.reactions import reconcile
from tests.api.calls import call, get, make_buyer_token, post, read_problem, seconds_now
from tests.market import CREDIT, finish, found_buyer, open_stall
from tests.people import act, found_organisation_today, make_operator_token
from tests.pools import make_spec
from tests.programmes import RULE, approve, give_used_voucher, write_pack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def buyer_token(home):
    """Return the token of an owner whose organisation has money."""
    return make_buyer_token()


def test_a_job_is_checked_quoted_ordered_settled_and_exported_over_http(buyer_token):
    seller = open_stall()
    spec = make_spec().model_dump(mode="json")
    assert len(post("specs/check", buyer_token, {"spec": spec}, status=200)["offers"]) == 1

    quoted = post("quotes", buyer_token, {"spec": spec}, key="q1")
    assert quoted == get(f"quotes/{quoted['quote_id']}", buyer_token)
    assert get("quotes", buyer_token)["items"] == [quoted]

    placed = post("orders", buyer_token, {"quote_id": quoted["quote_id"]}, key="o1")
    assert (placed["state"], placed["max_uc"], placed["charged_uc"]) == ("placed", 150_000, None)
    shown = get(f"orders/{placed['id']}", buyer_token)
    assert shown["order"] == placed
    assert [line["step"] for line in shown["timeline"]] == ["sign_quote", "hold", "submit"]

    began = seconds_now()
    finish(seller.agent, ms=60_000, seconds=began)
    reconcile(now=utc_now())
    (done,) = get("orders", buyer_token)["items"]
    assert (done["state"], done["charged_uc"], done["refunded_uc"], done["voucher_uc"]) == (
        "settled",
        15_000,
        135_000,
        0,
    )


def test_a_repeated_post_acts_once(buyer_token):
    open_stall()
    body = {"spec": make_spec().model_dump(mode="json")}
    first, again = (post("quotes", buyer_token, body, key="q1") for _ in range(2))
    assert first == again
    orders = [post("orders", buyer_token, {"quote_id": first["quote_id"]}, key="o1") for _ in range(2)]

    assert orders[0] == orders[1]
    assert Order.objects.count() == 1


def test_a_refusal_is_a_problem_that_says_what_would_make_it_pass(buyer_token):
    open_stall()
    body = {"spec": make_spec().model_dump(mode="json"), "max_cost_uc": 1}
    answer = call("POST", "quotes", buyer_token, body)
    problem = read_problem(answer)

    assert (answer.status_code, problem["code"]) == (422, "order.max_cost_exceeded")
    assert "Raise the limit or shorten walltime_s" in problem["fields"][0]["message"]
    assert problem["next_step"]


def test_an_order_is_cancelled_over_http(buyer_token):
    open_stall()
    quoted = post("quotes", buyer_token, {"spec": make_spec().model_dump(mode="json")})
    cancelled = post(f"orders/{quoted['order_id']}/cancel", buyer_token, {}, status=200)

    assert cancelled["order"]["state"] == "cancelled"


def test_exports_are_conflicts_until_the_settlement(buyer_token):
    open_stall()
    quoted = post("quotes", buyer_token, {"spec": make_spec().model_dump(mode="json")})
    post("orders", buyer_token, {"quote_id": quoted["quote_id"]})
    for path in ("exports", "exports/quote.json"):
        answer = call("GET", f"orders/{quoted['order_id']}/{path}", buyer_token)
        assert (answer.status_code, read_problem(answer)["code"]) == (409, "order.not_settled")


def test_a_provider_fills_the_shelf_over_http():
    operator = make_operator_token(now=utc_now())
    seller = open_stall()
    made = found_organisation_today(kind=OrganisationKind.PROVIDER)
    provider_id = post("providers", operator, {"organisation_id": made.organisation_id, "fee_ppm": 10})["id"]
    level = post(f"providers/{provider_id}/service-levels", made.token.secret, {"name": "gold", "credit_ppm": 5})
    body = {"pool_id": seller.agent.pool_id, "name": "x", "unit": "core_s", "memory_mib_per_unit": 1024}
    refused = call("POST", f"providers/{provider_id}/offers", made.token.secret, body)
    assert read_problem(refused)["fields"][0]["path"] == "pool_id"

    owner = seller.owner
    assert level["id"].startswith("slv_")
    price = {"price_uc": 5, "source": "list"}
    assert post(f"offers/{seller.offer_id}/prices", operator, price)["id"].startswith("prc_")
    assert next(row["price_uc"] for row in get(f"offers/{seller.offer_id}/prices", operator)["items"]) == 5
    assert get("offers?accelerator=", operator)["items"][0]["price_uc"] == 5
    assert get("offers?accelerator=h100-sxm5", operator)["items"] == []
    assert {each["organisation_id"] for each in get("providers", operator)["items"]} == {
        made.organisation_id,
        owner.organisation_id,
    }
    assert call("DELETE", f"offers/{seller.offer_id}", operator).status_code == 204


def test_the_shelf_is_searched_over_http(buyer_token):
    offer_id = open_stall().offer_id

    found = get("shelf?q=price+%3C+1+unit+%3D+core&sort=-free&limit=1", buyer_token)

    assert [offer["id"] for offer in found["items"]] == [offer_id]
    assert (found["search"], found["total"]) == ("price < 1.00 unit = core", 1)
    assert {"field": "unit", "values": [{"value": "core", "count": 1}]} in found["facets"]
    refused = read_problem(call("GET", "shelf?q=price+%3C+1+unti+%3D+core", buyer_token))
    assert (refused["code"], refused["facts"]["at"]) == ("shelf.search_invalid", 10)


def test_a_programme_is_made_funded_and_gives_a_voucher_over_http(buyer_token):
    operator = make_operator_token(now=utc_now())
    rule = {"rate_ppm": 300_000, "cap_uc": CREDIT, "expires_in_days": 30}
    programme_id = post("programmes", operator, {"name": "Compute", "rule": rule})["id"]
    payment = {"amount_uc": 5 * CREDIT, "reference": "payment 1"}
    case_id = post(f"programmes/{programme_id}/fund", operator, payment, status=202)["case_id"]
    approve(case_id, now=utc_now())
    reconcile_funding(now=utc_now())
    organisation_id = act(buyer_token, now=utc_now()).organisation_id
    body = {"programme_id": programme_id, "organisation_id": organisation_id, "amount_uc": 2 * CREDIT}
    voucher_id = post("vouchers", operator, body)["id"]

    (voucher,) = get("vouchers", buyer_token)["items"]
    assert (voucher["id"], voucher["available_uc"]) == (voucher_id, 2 * CREDIT)
    assert get("vouchers/usable", buyer_token) == {"usable": [voucher_id], "refused": []}
    assert get("programmes", buyer_token)["items"][0]["available_uc"] == 3 * CREDIT
    valid_from = utc_now() + timedelta(days=1)
    handed_in = {"pack": write_pack(RULE, version=2), "valid_from": valid_from.isoformat()}
    case_id = post(f"programmes/{programme_id}/rules", operator, handed_in, status=202)["case_id"]
    approve(case_id, approvals=1, now=utc_now())
    reconcile_funding(now=utc_now())
    (proposal,) = get("rule-proposals", operator)["items"]
    assert (proposal["state"], proposal["version"], proposal["pack"]) == ("published", 2, handed_in["pack"])
    assert get("programmes", buyer_token)["items"][0]["rule_version"] == 1


def test_voucher_money_is_asked_back_over_http_and_its_organisation_reads_it(buyer_token):
    now = utc_now()
    organisation_id = act(buyer_token, now=now).organisation_id
    order_id = new_id("ord")
    voucher_id = give_used_voucher(organisation_id, order_ids=[order_id], name="Asks back", now=now)
    body = {"voucher_id": voucher_id, "order_ids": [order_id], "reason": "related_party", "detail": "The same owner."}
    case_id = post("claw-backs", make_operator_token(now=now), body, status=202)["case_id"]

    (asked,) = get("claw-backs", buyer_token)["items"]
    assert (asked["case_id"], asked["state"], asked["asked_uc"], asked["due_uc"]) == (case_id, "asked", CREDIT, 0)
    problem = read_problem(call("POST", "claw-backs", make_operator_token(now=now), body))
    assert (problem["code"], problem["fields"][0]["path"]) == ("funding.claw_back_refused", "order_ids")
    assert call("POST", "claw-backs", buyer_token, body).status_code == 403


def test_the_reserve_takes_no_more_than_the_fees():
    found_buyer()
    answer = call("POST", "reserve", make_operator_token(now=utc_now()), {"amount_uc": 1})

    assert (answer.status_code, read_problem(answer)["code"]) == (402, "reserve.fees_short")
