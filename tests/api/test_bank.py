"""The bank over HTTP: a file in the body, entries with their proposals, one confirmed, both sides compared."""

import json

import pytest
from django.test import Client

from lilong.common.time import utc_now
from lilong.foundation.ledger.core.bank.files import FILE_BYTES_MAX
from lilong.foundation.ledger.reactions import reconcile
from tests.bank import FIRST, make_entry, make_rate, make_statement, write_camt, write_table
from tests.people import found_organisation_today, make_operator_token

pytestmark = pytest.mark.django_db
DAY = (utc_now().date() - FIRST).days
MONTH = make_statement(
    [make_entry(5_00, day=DAY, reference="B1", text="bank 1"), make_entry(-1_00, day=DAY)], opening_minor=2_00, day=DAY
)


@pytest.fixture(autouse=True)
def rates(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (make_rate(),)})


def call(method, path, token, content=b"", kind="application/json", **more):
    headers = {"Authorization": f"Bearer {token}"} | more
    return Client().generic(method, f"/api/v1/{path}", content, kind, headers=headers)


def send(token, content, **more):
    return call("POST", "bank-statements", token, content, "application/octet-stream", **more)


def post(path, token, body):
    return call("POST", path, token, json.dumps(body).encode())


def test_a_statement_is_imported_matched_and_reconciled_over_http():
    owner, operator = found_organisation_today().token.secret, make_operator_token(now=utc_now())
    case_id = post("top-ups", owner, {"amount_uc": 5_000_000, "reference": "bank 1"}).json()["case_id"]
    imported = send(operator, write_camt(MONTH, version="02"))
    assert imported.status_code == 201
    assert send(operator, write_table(MONTH)).json()["entries_new"] == 0
    [statement] = call("GET", "bank-statements", operator).json()["items"]
    assert [statement["id"]] == imported.json()["statement_ids"]
    assert call("GET", f"bank-statements/{statement['id']}", operator).json() == statement
    assert (statement["opening_minor"], statement["closing_minor"], statement["decimals"]) == (200, 600, 2)

    path = f"bank-statements/{statement['id']}/entries"
    first, second = call("GET", path, operator).json()["items"]
    assert (first["finding"], second["finding"], second["payments"]) == ("proposed", "unknown", [])
    [payment] = first["payments"]
    confirmed = post(f"bank-entries/{first['id']}/match", operator, {"payment_id": payment["id"]})
    assert (confirmed.status_code, confirmed.json()["finding"]) == (200, "matched")
    assert call("GET", f"cases/{case_id}", owner).json()["state"] == "open"
    other = make_operator_token(now=utc_now())
    post(f"cases/{case_id}/decisions", other, {"decision": "approve", "reason": "Seen."})
    reconcile(utc_now())

    found = call("GET", f"bank-reconciliation?on={utc_now().date()}", operator).json()
    assert (found["bank_minor"], found["books_minor"], found["books_uc"]) == (600, 500, 5_000_000)
    assert [(line["kind"], line["amount_minor"]) for line in found["lines"]] == [("opening", 200), ("unmatched", -100)]
    assert (found["explained_minor"], found["remainder_minor"], found["is_proven"]) == (100, 0, True)
    assert (found["currency"], found["gaps"]) == ("EUR", [])


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "ledger.bank_file_unreadable"),
        (b"<!DOCTYPE a []><a/>", 422, "ledger.bank_file_unreadable"),
        (write_table(MONTH).replace(b"closing", b"entry"), 422, "ledger.bank_statement_invalid"),
        (b"<" * (FILE_BYTES_MAX + 1), 413, "ledger.bank_file_too_large"),
    ],
)
def test_what_is_no_statement_is_refused_by_name(content, status, code):
    answer = send(make_operator_token(now=utc_now()), content)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_one_key_imports_once_and_answers_the_same():
    operator = make_operator_token(now=utc_now())
    answers = [send(operator, write_camt(MONTH), **{"Idempotency-Key": "march"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["entries_new"] == 2


def test_nobody_but_operators_sees_what_the_bank_says():
    owner = found_organisation_today().token.secret
    send(make_operator_token(now=utc_now()), write_camt(MONTH))

    assert send(owner, write_camt(MONTH)).status_code == 403
    for path in ("bank-statements", f"bank-reconciliation?on={FIRST}"):
        assert call("GET", path, owner).status_code == 403
