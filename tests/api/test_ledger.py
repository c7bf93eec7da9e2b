import json

import pytest
from django.test import Client

from lilong.common.time import utc_now
from lilong.foundation.ledger.reactions import reconcile
from tests.people import found_organisation_today, make_operator_token

pytestmark = pytest.mark.django_db


def call(method: str, path: str, token: str, body: object = None):
    content = "" if body is None else json.dumps(body)
    headers = {"Authorization": f"Bearer {token}"}
    return Client().generic(method, f"/api/v1/{path}", content, "application/json", headers=headers)


def test_money_is_entered_shown_and_verified_over_http():
    owner = found_organisation_today().token.secret
    operators = [make_operator_token(now=utc_now()) for _ in range(2)]
    asked = call("POST", "top-ups", owner, {"amount_uc": 5_000_000, "reference": "bank 1"})
    case_id = asked.json()["case_id"]

    states = []
    for operator in operators:
        decided = call("POST", f"cases/{case_id}/decisions", operator, {"decision": "approve", "reason": "Seen."})
        states.append(decided.json()["state"])
    reconcile(utc_now())

    assert states == ["open", "approved"]
    [top_up] = call("GET", "top-ups", owner).json()["items"]
    assert top_up["state"] == "posted"
    [wallet] = call("GET", "accounts", owner).json()["items"]
    assert wallet["balance"]["available_uc"] == 5_000_000
    [transfer] = call("GET", f"accounts/{wallet['id']}/transfers", owner).json()["items"]
    assert (transfer["debit_kind"], transfer["code"]) == ("outside", "top_up")
    before = call("GET", f"accounts/{wallet['id']}?at=2026-01-01T00:00:00Z", owner).json()
    assert before["balance"]["posted_uc"] == 0
    assert call("GET", "ledger/verify", operators[0]).json()["is_balanced"] is True
    lines = call("GET", "ledger/trial-balance", operators[0]).json()
    assert sum(line["balance"]["posted_uc"] for line in lines) == 0


def test_books_of_others_and_of_the_hub_stay_closed():
    owner, stranger = (found_organisation_today().token.secret for _ in range(2))
    call("POST", "top-ups", owner, {"amount_uc": 1, "reference": "bank 1"})
    [wallet] = call("GET", "accounts", owner).json()["items"]

    assert call("GET", f"accounts/{wallet['id']}", stranger).status_code == 404
    assert call("GET", f"accounts/{wallet['id']}/transfers", stranger).status_code == 404
    assert call("GET", "ledger/verify", stranger).status_code == 403
    short = call("POST", "pay-outs", owner, {"amount_uc": 1, "beneficiary": "DE00"})
    assert (short.status_code, short.json()["code"]) == (402, "ledger.short_of_funds")
    assert short.json()["facts"]["constraint"] == "ledger_account_floor"


def test_an_operator_closes_the_books_once():
    operator = make_operator_token(now=utc_now())

    closed = call("POST", "ledger/periods", operator, {"ends_at": "2026-01-01T00:00:00Z"})
    again = call("POST", "ledger/periods", operator, {"ends_at": "2026-01-01T00:00:00Z"})

    assert closed.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "ledger.period_impossible")
    assert [period["id"] for period in call("GET", "ledger/periods", operator).json()["items"]] == [closed.json()["id"]]
