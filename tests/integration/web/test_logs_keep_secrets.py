"""No line of log holds what opens anything: passwords, codes, tokens, secrets, keys of sessions."""

import json
import logging

import pytest
from django.test import Client

from lilong.common.time import utc_now
from lilong.foundation.members.public import bootstrap_operator
from tests.bytes import fresh, upload
from tests.people import act, found_organisation_today
from tests.sign_ins import PASSWORD, Browser, compute_code, read_code, set_up_totp, sign_up

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def read_lines(caplog):
    """Return all lines of the logs at the most talkative level, as the hub writes them."""
    (ours,) = [each for each in logging.getLogger().handlers if type(each).__module__ == "lilong.web.logs"]
    caplog.set_level(logging.DEBUG)
    return lambda: [ours.format(record) for record in caplog.records]


def call(method, path, token, body=None):
    return Client().generic(
        method,
        f"/api/v1/{path}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_signing_in_in_every_way_leaves_no_secret_in_the_logs(read_lines):
    browser = sign_up("ada@example.org")
    code = read_code("ada@example.org")
    totp, recovery = set_up_totp(browser)
    second = Browser()
    second.sign_in("ada@example.org", "not the right passphrase")
    second.sign_in("ada@example.org")
    second.post("/account/2fa/authenticate/", {"code": compute_code(totp)})
    assert second.find_person() is not None
    once = bootstrap_operator(email="op@hub.example", now=utc_now()).secret
    Browser().post("/account/first-sign-in/", {"token": once, "password": "a passphrase of operators"})
    third = Browser()
    third.post("/account/password/reset/", {"email": "op@hub.example"})
    reset = read_code("op@hub.example")
    third.post("/account/password/reset/confirm/", {"code": reset})

    secrets = {PASSWORD, "not the right passphrase", "a passphrase of operators", once, code, reset, totp, *recovery}
    secrets |= {browser.session_key, second.session_key, browser.client.cookies["csrf"].value}
    lines = read_lines()
    assert sum('"path"' in line for line in lines) >= 20
    assert not [line for line in lines if any(secret in line for secret in secrets)]


def test_calling_the_api_leaves_no_secret_in_the_logs(read_lines):
    owner = found_organisation_today().token.secret
    made = call("POST", "tokens", owner, {"name": "ci", "scopes": ["read"], "expires_in_s": 3600}).json()["secret"]
    assert call("PUT", "secrets/API_KEY", owner, {"value": "the-key-of-a-model"}).status_code == 204
    sha256 = upload(fresh(10), organisation_id=act(owner, now=utc_now()).organisation_id, now=utc_now())
    token = call("POST", f"objects/{sha256}/links", owner, {"seconds": 60}).json()["token"]
    Client().get(f"/api/v1/links/{token}").close()
    Client(headers={"host": "elsewhere.example"}).get(f"/api/v1/links/{token}")
    call("GET", f"orders?cursor={made}", owner)
    call("GET", "me", made + "x")

    lines = read_lines()
    paths = [json.loads(line)["path"] for line in lines if '"path"' in line]
    assert "/api/v1/links/…" in paths
    assert f"/api/v1/objects/{sha256}/links" in paths
    assert not [line for line in lines if any(secret in line for secret in (owner, made, "the-key-of-a-model", token))]
