"""Signing in on another device by a code (RFC 8628), from the first question to a token of the hub."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from allauth.idp.oidc.models import Token as Grant
from django.db import transaction
from django.test import Client

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.core.roles import list_scopes
from lilong.foundation.members.models import Membership, Person
from lilong.foundation.members.services.devices import GRANT_LIFE_S, GrantUnknown, exchange_grant
from lilong.foundation.members.services.memberships import add_member
from tests.api.calls import call, get, read_problem
from tests.people import act, found_owner
from tests.sign_ins import Browser, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(autouse=True)
def no_pause_between_questions(settings):
    settings.IDP_OIDC_DEVICE_CODE_INTERVAL = 0


def send(path: str, fields: dict[str, str]):
    kind = "application/x-www-form-urlencoded"
    answer = Client(headers={"host": "127.0.0.1"}).post(path, urlencode(fields), content_type=kind)
    return answer.status_code, json.loads(answer.content)


def begin():
    status, device = send("/account/device/code", {"client_id": "lilong-cli"})
    assert status == 200, device
    return device


def ask(device, **fields: str):
    sent = {"client_id": "lilong-cli", "device_code": device["device_code"], "grant_type": GRANT}
    return send("/account/device/token", sent | fields)


def sign_up_member(email: str = "ada@example.org", *, organisations: int = 1) -> Browser:
    """Return a browser whose person is a member of so many organisations."""
    browser = sign_up(email)
    for _ in range(organisations):
        owner = found_owner(now=utc_now())
        add_member(actor=owner, email=email, name="Ada", role=Role.MEMBER, now=utc_now())
    return browser


def decide(browser: Browser, device, action: str, organisation_id: str = ""):
    path = f"/account/device/?code={device['user_code']}"
    own = list(Membership.objects.filter(person=Person.objects.get(email="ada@example.org")).order_by("id"))
    chosen = organisation_id or (own[0].organisation_id if own else "")
    return browser.post(path, {"action": action, "organisation_id": chosen})


def exchange(access_token: str):
    return call("POST", "tokens/device", "", {"access_token": access_token, "name": "a laptop"})


def test_an_approved_device_gets_a_token_of_the_chosen_organisation():
    browser = sign_up_member(organisations=2)
    chosen = Membership.objects.filter(person__email="ada@example.org").latest("id")
    device = begin()
    assert ask(device) == (400, {"error": "authorization_pending"})
    page = decide(browser, device, "confirm", chosen.organisation_id)
    status, granted = ask(device)

    assert "Approved" in page.content.decode()
    assert status == 200
    assert granted["expires_in"] == 120
    assert set(granted) == {"access_token", "token_type", "expires_in"}
    made = json.loads(exchange(granted["access_token"]).content)
    actor = act(made["secret"], now=utc_now())
    assert (actor.organisation_id, actor.role) == (chosen.organisation_id, Role.MEMBER)
    assert actor.scopes == list_scopes(role=Role.MEMBER)
    assert get("me", made["secret"])["email"] == "ada@example.org"


def test_a_grant_is_exchanged_once_and_opens_nothing_by_itself():
    browser, device = sign_up_member(), begin()
    decide(browser, device, "confirm")
    granted = ask(device)[1]["access_token"]

    assert call("GET", "me", granted).status_code == 401
    assert exchange(granted).status_code == 201
    assert read_problem(exchange(granted))["code"] == "token.grant_unknown"
    assert not Grant.objects.exists()


def test_a_device_code_is_answered_once():
    browser, device = sign_up_member(), begin()
    decide(browser, device, "confirm")

    assert ask(device)[0] == 200
    assert ask(device) == (400, {"error": "invalid_grant"})


def test_a_refused_device_gets_nothing():
    browser, device = sign_up_member(), begin()
    page = decide(browser, device, "deny")

    assert "Refused" in page.content.decode()
    assert ask(device) == (400, {"error": "access_denied"})


def test_a_code_that_nobody_approved_in_time_is_worth_nothing(settings):
    settings.IDP_OIDC_DEVICE_CODE_EXPIRES_IN = -1
    browser, device = sign_up_member(), begin()

    assert ask(device) == (400, {"error": "invalid_grant"})
    assert "Incorrect code" in browser.get(f"/account/device/?code={device['user_code']}").content.decode()


def test_who_asks_too_often_is_told_to_slow_down(settings):
    settings.IDP_OIDC_DEVICE_CODE_INTERVAL = 5
    device = begin()

    assert device["interval"] == 5
    assert ask(device) == (400, {"error": "authorization_pending"})
    assert ask(device) == (400, {"error": "slow_down"})


def test_a_grant_that_is_too_old_is_not_exchanged():
    browser, device = sign_up_member(), begin()
    decide(browser, device, "confirm")
    granted = ask(device)[1]["access_token"]

    with pytest.raises(GrantUnknown):
        exchange_grant(access_token=granted, name="late", now=utc_now() + timedelta(seconds=GRANT_LIFE_S))


def test_nobody_approves_for_an_organisation_that_is_not_theirs():
    browser, device = sign_up_member(), begin()
    refused = decide(browser, device, "confirm", found_owner().organisation_id)

    assert refused.status_code == 404
    assert ask(device) == (400, {"error": "authorization_pending"})


def test_who_belongs_to_no_organisation_has_nothing_to_approve():
    browser, device = sign_up_member(organisations=0), begin()
    page = browser.get(f"/account/device/?code={device['user_code']}").content.decode()

    assert "nothing to approve" in page


def test_a_member_who_was_removed_before_the_exchange_gets_nothing():
    browser, device = sign_up_member(), begin()
    decide(browser, device, "confirm")
    granted = ask(device)[1]["access_token"]
    with transaction.atomic():
        Membership.objects.filter(person__email="ada@example.org").update(left_at=utc_now())

    assert exchange(granted).status_code == 401


def test_a_stranger_signs_in_first_and_comes_back_to_the_code():
    device = begin()
    asked = Browser().get(f"/account/device/?code={device['user_code']}")

    assert asked["Location"].startswith("/account/login/?next=/account/device/%3Fcode%3D")


@pytest.mark.parametrize("grant_type", ["password", "client_credentials", "authorization_code", "refresh_token", ""])
def test_no_other_grant_is_given(grant_type):
    device = begin()

    assert ask(device, grant_type=grant_type) == (400, {"error": "unsupported_grant_type"})


def test_codes_are_not_guessed():
    browser = sign_up_member()
    pages = [browser.get("/account/device/?code=BBBB-CCCC").content.decode() for _ in range(6)]

    assert "Incorrect code" in pages[0]
    assert "too many requests" in pages[-1]
