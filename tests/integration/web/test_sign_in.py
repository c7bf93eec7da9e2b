"""Signing in by browser, and what strangers try: guessing, fixing a session, redirects, hosts, foreign forms."""

import json
import os
import re
import subprocess
import sys

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lilong.foundation.members.models import Person
from tests.sign_ins import PASSWORD, Browser, compute_code, read_code, read_mails, set_up_totp, sign_up

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


def test_the_second_factor_changes_the_key_of_the_session_again():
    secret, _ = set_up_totp(sign_up("ada@example.org"))
    browser, attacker = Browser(), Browser()
    browser.sign_in("ada@example.org")
    planted = browser.session_key
    attacker.client.cookies["lilong-session"] = planted
    browser.post("/account/2fa/authenticate/", {"code": compute_code(secret)})

    assert browser.find_person() is not None
    assert browser.session_key != planted
    assert attacker.find_person() is None


def test_changing_the_password_changes_the_key_and_ends_all_other_sessions():
    here, there = sign_up("ada@example.org"), Browser()
    there.sign_in("ada@example.org")
    before = here.session_key
    fields = {"oldpassword": PASSWORD, "password1": "a wholly new phrase", "password2": "a wholly new phrase"}
    changed = here.post("/account/password/change/", fields)

    assert changed.status_code == 302, changed.content
    assert here.session_key != before
    assert here.find_person() is not None
    assert there.find_person() is None


def test_signing_out_ends_the_session_itself_so_that_a_copied_cookie_is_worth_nothing():
    browser, copy = sign_up("ada@example.org"), Browser()
    copy.client.cookies["lilong-session"] = browser.session_key
    assert copy.find_person() is not None
    browser.post("/account/logout/", {}, page="/account/")

    assert copy.find_person() is None


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


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "127.0.0.1@evil.example",
        "127.0.0.1, evil",
        "[::1",
        "",
    ],
)
def test_a_host_that_is_not_the_hubs_gets_a_page_that_names_no_host(host):
    client = Client(headers={"host": host, "accept": "text/html"})
    answer = client.get("/account/login/", SERVER_NAME="evil.example")

    assert answer.status_code == 400
    assert "could not read what your browser sent" in answer.content.decode()
    assert "evil" not in answer.content.decode()


def test_hosts_that_proxies_name_are_not_believed():
    said = {"x-forwarded-host": "evil.example", "x-forwarded-server": "evil.example", "forwarded": "host=evil.example"}
    client = Client(headers={"host": "127.0.0.1", "accept": "text/html"} | said)
    sign_up("ada@example.org")
    for path in ("/", "/verify", "/account/login/", "/nowhere", "/home"):
        answer = client.get(path)
        assert "evil" not in answer.content.decode() + answer.get("Location", "")
    client.post("/account/password/reset/", {"email": "ada@example.org"})
    client.post("/account/signup/", {"email": "ada@example.org", "name": "B", "password1": PASSWORD})

    texts = [mail["text"] for mail in read_mails("ada@example.org")]
    assert len(texts) >= 3
    assert not [text for text in texts if "evil" in text]


def test_a_hub_without_a_proxy_believes_nobody_who_says_that_the_request_was_encrypted():
    answer = Client(headers={"host": "127.0.0.1", "x-forwarded-proto": "https"}).get("/account/login/")

    assert not answer.wsgi_request.is_secure()


def test_guessing_from_one_address_is_slowed_down_whosever_account_it_is(settings):
    sign_up("ada@example.org")
    refusals = [
        "Too many failed" in Browser().sign_in(f"person{number}@example.org", "wrong password").content.decode()
        for number in range(11)
    ]
    elsewhere = Client(headers={"host": "127.0.0.1"}, REMOTE_ADDR="192.0.2.7")
    lying = Client(headers={"host": "127.0.0.1", "x-forwarded-for": "192.0.2.8"})
    right = {"login": "ada@example.org", "password": PASSWORD}

    assert refusals == [False] * 10 + [True]
    assert lying.post("/account/login/", right).status_code == 200
    assert elsewhere.post("/account/login/", right).status_code == 302


def test_a_hub_with_https_marks_its_cookies_for_https_and_for_this_host_alone(tmp_path):
    names = ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME"]
    names += ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE"]
    asked = f"import json; from lilong.web import settings; print(json.dumps([getattr(settings, n) for n in {names}]))"
    environment = os.environ | {"LILONG_HOME": str(tmp_path), "LILONG_PUBLIC_URL": "https://hub.example"}
    told = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)

    assert json.loads(told.stdout) == [
        "__Host-lilong-session",
        "__Host-csrf",
        True,
        True,
        True,
    ]


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
