"""The first password by a one-time token: for operators, and for nobody's account but the token's own."""

import pytest

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.public import bootstrap_operator
from lilong.foundation.members.services.memberships import add_member
from lilong.foundation.members.services.passwords import PasswordSetAlready, set_first_password
from tests.people import found_owner
from tests.sign_ins import PASSWORD, Browser, read_code, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/account/first-sign-in/"


def hand_over(owner, email: str) -> str:
    """Return the one-time token that the owner of an organisation gets for somebody."""
    made = add_member(actor=owner, email=email, name="Bo", role=Role.MEMBER, now=utc_now())
    return made.one_time_token.secret


def test_the_first_operator_sets_a_password_with_the_token_of_init_and_is_signed_in():
    token = bootstrap_operator(email="op@hub.example", now=utc_now()).secret
    browser = Browser()
    done = browser.post(PAGE, {"token": token, "password": PASSWORD})

    assert done.get("Location") == "/home", done.content
    assert browser.find_person().email == "op@hub.example"
    assert Browser().sign_in("op@hub.example")["Location"] == "/home"


def test_a_one_time_token_sets_a_password_once():
    token = bootstrap_operator(email="op@hub.example", now=utc_now()).secret
    Browser().post(PAGE, {"token": token, "password": PASSWORD})
    again = Browser().post(PAGE, {"token": token, "password": "a wholly new phrase"})

    assert "used up" in again.content.decode()
    assert Browser().sign_in("op@hub.example", "a wholly new phrase").status_code == 200


def test_a_weak_password_leaves_the_token_as_it_was():
    token = bootstrap_operator(email="op@hub.example", now=utc_now()).secret
    assert Browser().post(PAGE, {"token": token, "password": "short"}).status_code == 200

    assert Browser().post(PAGE, {"token": token, "password": PASSWORD}).status_code == 302


def test_the_token_that_an_owner_hands_over_does_not_vouch_for_the_address():
    browser = Browser()
    done = browser.post(PAGE, {"token": hand_over(found_owner(), "bo@example.org"), "password": PASSWORD})

    assert done["Location"] == "/account/confirm-email/"
    assert browser.find_person() is None
    browser.post("/account/confirm-email/", {"code": read_code("bo@example.org")})
    assert browser.find_person().email == "bo@example.org"


def test_an_owner_takes_over_nobody_by_adding_them():
    sign_up("ada@example.org")
    taken = Browser().post(PAGE, {"token": hand_over(found_owner(), "ada@example.org"), "password": "mine from now on"})

    assert "signs in here already" in taken.content.decode()
    assert Browser().sign_in("ada@example.org", "mine from now on").status_code == 200


def test_who_belongs_to_another_organisation_gets_no_password_by_a_token_of_this_one():
    hand_over(found_owner(), "bo@example.org")
    second = hand_over(found_owner(), "bo@example.org")

    with pytest.raises(PasswordSetAlready):
        set_first_password(token=second, password=PASSWORD, now=utc_now())


def test_tokens_are_not_guessed_here():
    browser = Browser()
    pages = [browser.post(PAGE, {"token": "lilonce_x", "password": PASSWORD}).content.decode() for _ in range(11)]

    assert "unknown" in pages[0]
    assert "Too many attempts" in pages[-1]
