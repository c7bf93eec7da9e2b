import json

import pytest
from django.test import Client

from lilong.common.django.routes import Audience
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from tests.api.operations import ask, list_operations
from tests.people import found_organisation_today, make_operator_token

pytestmark = pytest.mark.django_db(transaction=True)
NOBODYS_TO_SET = ("is_operator", "created_at", "due_uc", "settled_at", "decided_by")
SIGN_UP = {"name": "Ada AI", "owner_email": "ada@example.org", "owner_name": "Ada"}


def send(body, *, content_type="application/json", path="/api/v1/organisations", **headers):
    return Client().post(path, data=body, content_type=content_type, headers=headers)


def assert_problem(response, status, code):
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert "Traceback" not in response.content.decode()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "input.malformed"),
        (b"\xff\xfe", 400, "input.malformed"),
        (b'{"name": NaN}', 400, "input.malformed"),
        (b'{"name": "a", "name": "b"}', 400, "input.malformed"),
        (b"[" * 200 + b"]" * 200, 400, "input.malformed"),
        (b"[" * 100_000, 400, "input.malformed"),
        (b'{"name": ' + b"9" * 5000 + b"}", 400, "input.malformed"),
        (json.dumps(SIGN_UP | {"name": "a\0b"}).encode(), 422, "input.text_unstorable"),
        (json.dumps(SIGN_UP | {"name": "a\ud800b"}).encode(), 422, "input.text_unstorable"),
        (json.dumps({"n\0": 1}).encode(), 422, "input.text_unstorable"),
        (json.dumps(SIGN_UP | {"surprise": 1}).encode(), 422, "input.invalid"),
        (json.dumps(SIGN_UP | {"name": "x" * 121}).encode(), 422, "input.invalid"),
        (json.dumps(SIGN_UP | {"name": "   "}).encode(), 422, "input.invalid"),
        (json.dumps(SIGN_UP | {"owner_email": "ada"}).encode(), 422, "input.invalid"),
        (b"", 422, "input.invalid"),
        (b"[]", 422, "input.invalid"),
        (b" " * (4 * 1024 * 1024 + 1), 413, "input.too_large"),
        (b" " * (20 * 1024 * 1024 + 1), 413, "input.too_large"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else value,
)
def test_a_body_that_cannot_be_taken_is_refused_with_a_reason(body, status, code):
    assert_problem(send(body), status, code)


def test_fields_that_an_operation_does_not_know_are_refused_by_every_operation():
    """So nobody sets by a field what only the hub decides, and nobody's typing error is overlooked."""
    token = found_organisation_today().token.secret
    tokens = {Audience.PEOPLE: token, Audience.PUBLIC: ""}
    operator = make_operator_token(now=utc_now())
    wrong, asked = [], 0
    for operation in list_operations():
        if operation.has_body:
            rule = operation.rule
            caller = operator if rule.roles and Role.OWNER not in rule.roles else tokens[rule.audience]
            answer = ask(operation, token=caller, parts={}, body=dict.fromkeys(NOBODYS_TO_SET, "owner"))
            refused = {field["path"] for field in json.loads(answer.content).get("fields", [])}
            if answer.status != 422 or not set(NOBODYS_TO_SET) <= refused:
                wrong.append(f"{operation}: {answer.status}, {refused}")
            asked += 1

    assert not wrong, "\n".join(wrong)
    assert asked >= 30


def test_another_content_type_is_refused():
    assert_problem(send(b"name=x", content_type="application/x-www-form-urlencoded"), 415, "input.content_type")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/api/v1/nowhere", 404, "not_found"),
        ("/api/v1/", 404, "not_found"),
        ("/agent/v1/nowhere", 404, "not_found"),
        ("/api/v1/organisations/a%00b", 422, "input.text_unstorable"),
        ("/api/v1/organisations/%FF%FE", 401, "token.invalid"),
        ("/api/v1/organisations?cursor=%00", 401, "token.invalid"),
    ],
)
def test_an_address_that_leads_nowhere_answers_with_a_problem(path, status, code):
    assert_problem(Client().get(path), status, code)


def test_a_method_that_an_address_does_not_take_is_named():
    response = Client().delete("/api/v1/organisations")

    assert_problem(response, 405, "method.refused")
    assert set(response["Allow"].split(", ")) == {"GET", "POST"}


def test_a_host_that_is_not_the_hubs_is_refused():
    assert_problem(Client().get("/api/v1/health/live", headers={"Host": "evil.example"}), 400, "input.malformed")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=%00", "input.text_unstorable"),
        ("cursor=" + "x" * 500, "input.invalid"),
        ("cursor=!", "paging.cursor_invalid"),
        ("cursor=AA", "paging.cursor_invalid"),
        ("limit=0", "input.invalid"),
        ("limit=99999999999999999999999", "input.invalid"),
        ("limit=x", "input.invalid"),
    ],
)
def test_a_query_out_of_bounds_is_refused(query, code):
    token = found_organisation_today().token.secret
    response = Client().get(f"/api/v1/tokens?{query}", headers={"Authorization": f"Bearer {token}"})

    assert_problem(response, 422, code)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic eA==", "Bearer x", "Bearer lil_é", "Bearer " + "x" * 9999]
)
def test_a_header_that_is_no_token_signs_nobody_in(header):
    response = Client().get("/api/v1/me", headers={"Authorization": header})

    assert_problem(response, 401, "token.invalid")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_request_is_known_by_an_id_and_answers_carry_safe_headers():
    given = Client().get("/api/v1/health/live", headers={"X-Request-Id": "abc-1"})
    made = Client().get("/api/v1/health/live", headers={"X-Request-Id": "not an id"})

    assert given["X-Request-Id"] == "abc-1"
    assert made["X-Request-Id"].startswith("req_")
    assert made["Content-Security-Policy"].startswith("default-src 'none'")
    assert made["X-Content-Type-Options"] == "nosniff"


def test_the_hub_says_that_it_lives_and_is_ready():
    for path in ("live", "ready"):
        response = Client().get(f"/api/v1/health/{path}")
        assert (response.status_code, response.json()["status"]) == (200, path)


def test_who_signed_up_sees_herself():
    before = utc_now()
    made = send(json.dumps(SIGN_UP).encode()).json()
    me = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {made['token']['secret']}"}).json()

    assert (me["email"], me["role"], me["organisation"]["state"]) == ("ada@example.org", "owner", "applied")
    assert me["organisation"]["created_at"] >= before.strftime("%Y-%m-%dT%H:%M:%S")
