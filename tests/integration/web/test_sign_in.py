"""Signing in by browser, and what strangers try: guessing, fixing a session, redirects, hosts, foreign forms."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lilong.foundation.members.models import Person
from tests.sign_ins import PASSWORD, Browser, read_code, read_mails, sign_up

pytestmark = pytest.mark.django_db(transaction=True)

STRANGE_ADDRESSES = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "javascript:alert(1)",
    "http:///evil",
)


def test_a_wrong_password_is_refused_in_the_same_words_as_an_unknown_address():
    sign_up("ada@example.org")
    known = Browser().sign_in("ada@example.org", "wrong password")
    unknown = Browser().sign_in("nobody@example.org", "wrong password")

    words = [re.sub(r'value="[^"]*"', "", answer.content.decode()) for answer in (known, unknown)]
    assert known.status_code == unknown.status_code == 200
    assert "not correct" in words[0]
    assert words[0] == words[1]


def test_after_five_wrong_passwords_the_right_one_is_refused_too():
    sign_up("ada@example.org")
    for _ in range(5):
        Browser().sign_in("ada@example.org", "wrong password")

    refused = Browser().sign_in("ada@example.org")
    assert "Too many failed" in refused.content.decode()
    assert Browser().sign_in("nobody@example.org", "wrong").status_code == 200


def test_signing_up_with_a_known_address_looks_the_same_and_tells_only_its_owner():
    sign_up("ada@example.org")
    answers = [
        Browser().post("/account/signup/", {"email": email, "name": "B", "password1": "another good passphrase"})
        for email in ("ada@example.org", "new@example.org")
    ]

    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(302, "/account/confirm-email/")] * 2
    assert "already exists" in read_mails("ada@example.org")[-1]["text"]
    assert Person.objects.filter(email="ada@example.org").count() == 1


def test_asking_for_a_new_password_looks_the_same_for_known_and_unknown():
    sign_up("ada@example.org")
    answers = [
        Browser().post("/account/password/reset/", {"email": email})
        for email in ("ada@example.org", "nobody@example.org")
    ]

    assert len({(answer.status_code, answer["Location"]) for answer in answers}) == 1


def test_a_new_password_is_set_by_a_code_and_ends_other_sessions():
    elsewhere = sign_up("ada@example.org")
    browser = Browser()
    browser.post("/account/password/reset/", {"email": "ada@example.org"})
    code = read_code("ada@example.org")
    browser.post("/account/password/reset/confirm/", {"code": code})
    done = browser.post(
        "/account/password/reset/complete/", {"password1": "a wholly new phrase", "password2": "a wholly new phrase"}
    )

    assert done.status_code == 302
    assert elsewhere.find_person() is None
    assert Browser().sign_in("ada@example.org", PASSWORD).status_code == 200
    assert Browser().sign_in("ada@example.org", "a wholly new phrase").status_code == 302


def test_signing_in_changes_the_key_of_the_session_so_one_put_there_before_is_worth_nothing():
    sign_up("ada@example.org")
    victim = Browser()
    victim.post("/account/password/reset/", {"email": "x@example.org"})  # a session before signing in
    planted = victim.session_key
    attacker = Browser()
    attacker.client.cookies["lilong-session"] = planted
    victim.sign_in("ada@example.org")

    assert victim.session_key != planted
    assert victim.find_person() is not None
    assert attacker.find_person() is None


@pytest.mark.parametrize("address", STRANGE_ADDRESSES)
def test_next_leads_nowhere_but_to_the_hub(address):
    sign_up("ada@example.org")
    browser = Browser()
    signed_in = browser.sign_in("ada@example.org", following=address)
    switched = browser.post("/account/organisation/", {"organisation_id": "org_1", "next": address}, page="/account/")
    signed_out = browser.post("/account/logout/", {"next": address}, page="/account/")

    assert signed_in["Location"] == "/home"
    assert switched.status_code == 404
    assert "evil" not in signed_out["Location"]
    assert signed_out["Location"].startswith("/")


def test_next_leads_back_to_the_page_that_was_asked_for():
    sign_up("ada@example.org")
    browser = Browser()
    asked = browser.get("/account/sessions/")

    assert asked["Location"] == "/account/login/?next=/account/sessions/"
    assert browser.sign_in("ada@example.org", following="/account/sessions/")["Location"] == "/account/sessions/"


def test_a_foreign_host_is_refused_and_mails_name_the_hub_alone():
    assert Browser(host="evil.example").get("/account/login/").status_code == 400

    sign_up("ada@example.org")
    Browser(host="localhost").post("/account/signup/", {"email": "ada@example.org", "name": "B", "password1": PASSWORD})
    text = read_mails("ada@example.org")[-1]["text"]
    assert "http://127.0.0.1:8000/account/" in text
    assert "localhost" not in text


def test_a_session_opens_nothing_of_the_api():
    browser = sign_up("ada@example.org")

    assert browser.get("/api/v1/me").status_code == 401
    assert browser.client.post("/api/v1/tokens", "{}", content_type="application/json").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_foreign_pages():
    cookie = sign_up("ada@example.org").client.cookies["lilong-session"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]
    assert cookie["domain"] == ""


def test_a_page_costs_three_queries_and_writes_nothing():
    browser = sign_up("ada@example.org")
    browser.get("/account/")
    with CaptureQueriesContext(connection) as caught:
        assert browser.get("/account/").status_code == 200

    asked = [query["sql"] for query in caught if not query["sql"].startswith(("BEGIN", "COMMIT"))]
    assert len(asked) <= 3, asked
    assert all(sql.startswith("SELECT") for sql in asked)


def test_strangers_get_no_session_from_looking():
    client = Client()
    for path in ("/", "/account/login/", "/account/"):
        client.get(path, headers={"host": "127.0.0.1"})

    assert Session.objects.count() == 0


def test_ending_the_other_sessions_ends_them_at_once():
    here = sign_up("ada@example.org")
    there = Browser()
    there.sign_in("ada@example.org")
    assert there.find_person() is not None

    here.post("/account/sessions/", {})
    assert there.find_person() is None
    assert here.find_person() is not None


@pytest.mark.parametrize("password", ["short", "123456789qwerty", "justinbieber", "ada.lovelace@example.org"])
def test_a_weak_password_is_refused(password):
    fields = {"email": "ada.lovelace@example.org", "name": "Ada", "password1": password}
    answer = Browser().post("/account/signup/", fields)

    assert answer.status_code == 200
    assert not Person.objects.exists()
