"""Calls of the API in this process with a token, in one line."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from lilong.common.time import utc_now
from tests.market import CREDIT, pay_in, wallet_of
from tests.people import act, found_organisation_today
from tests.pools import NOON


def call(method: str, path: str, token: str, body: object = None, *, key: str = "") -> HttpResponse:
    """Call it; a body is sent as JSON."""
    response = Client().generic(
        method,
        f"/api/v1/{path}",
        data=b"" if body is None else json.dumps(body).encode(),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {}),
    )
    assert isinstance(response, HttpResponse)
    return response


def get(path: str, token: str) -> Any:
    """Return what is there."""
    answer = call("GET", path, token)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def post(path: str, token: str, body: object, *, key: str = "", status: int = 201) -> Any:
    """Return what is answered; the call has to succeed with this status."""
    answer = call("POST", path, token, body, key=key)
    assert answer.status_code == status, answer.content
    return json.loads(answer.content)


def read_problem(answer: HttpResponse) -> dict[str, Any]:
    """Return the problem document that an answer is."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    problem: dict[str, Any] = json.loads(answer.content)
    assert problem["status"] == answer.status_code
    return problem


def seconds_now() -> float:
    """Return the present moment as tests of pools count it."""
    return (utc_now() - NOON).total_seconds()


def make_buyer_token() -> str:
    """Return the token of an owner whose organisation has money."""
    token = found_organisation_today().token.secret
    pay_in(wallet_of(act(token, now=utc_now())), 100 * CREDIT)
    return token
