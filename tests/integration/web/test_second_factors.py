"""TOTP, recovery codes, and what an operator can do when both are lost."""

import json

import pytest
from allauth.mfa.models import Authenticator

from lilong.common.errors import NotAllowed, NotSignedIn
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import Person
from lilong.foundation.members.services.second_factors import reset_second_factor
from lilong.foundation.record.models import Payload
from tests.people import act, found_operator, found_owner, join, make_member_token
from tests.sign_ins import Browser, compute_code, read_mails, set_up_totp, sign_up

pytestmark = pytest.mark.django_db(transaction=True)


def begin_sign_in() -> Browser:
    """Give the password; what is asked next is the second factor."""
    browser = Browser()
    assert browser.sign_in("ada@example.org")["Location"].startswith("/account/2fa/authenticate/")
    assert browser.find_person() is None
    return browser


def test_a_code_of_the_app_is_asked_for_and_good_once():
    secret, _ = set_up_totp(sign_up("ada@example.org"))
    code = compute_code(secret)
    first, second = begin_sign_in(), begin_sign_in()
    first.post("/account/2fa/authenticate/", {"code": code})
    second.post("/account/2fa/authenticate/", {"code": code})

    assert first.find_person() is not None
    assert second.find_person() is None


def test_a_wrong_code_lets_nobody_in_and_attempts_are_counted():
    set_up_totp(sign_up("ada@example.org"))
    browser = begin_sign_in()
    pages = [browser.post("/account/2fa/authenticate/", {"code": "000000"}).content.decode() for _ in range(6)]

    assert "Incorrect code" in pages[0]
    assert "Too many failed" in pages[-1]
    assert browser.find_person() is None


def test_a_recovery_code_lets_in_once():
    _, codes = set_up_totp(sign_up("ada@example.org"))
    first, second = begin_sign_in(), begin_sign_in()
    first.post("/account/2fa/authenticate/", {"code": codes[0]})
    second.post("/account/2fa/authenticate/", {"code": codes[0]})

    assert first.find_person() is not None
    assert second.find_person() is None


def test_secrets_of_second_factors_are_sealed_in_the_database():
    secret, _ = set_up_totp(sign_up("ada@example.org"))

    assert secret not in json.dumps(list(Authenticator.objects.values_list("data", flat=True)))


def test_changing_the_second_factor_asks_for_the_password_again(settings):
    browser = sign_up("ada@example.org")
    set_up_totp(browser)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0

    asked = browser.get("/account/2fa/totp/deactivate/")
    assert "reauthenticate" in asked["Location"]


def test_an_operator_takes_a_lost_second_factor_away_and_nobody_overlooks_it():
    browser = sign_up("ada@example.org")
    set_up_totp(browser)
    person = Person.objects.get(email="ada@example.org")
    operator = found_operator()
    reset_second_factor(actor=operator, person_id=person.id, reason="Seen with passport.", now=utc_now())

    assert browser.find_person() is None
    assert Browser().sign_in("ada@example.org")["Location"] == "/home"
    assert "removed your second factor" in read_mails("ada@example.org")[-1]["text"]
    said = Payload.objects.get(entry__kind="members.second_factor_reset", entry__subject_id=person.id).content
    assert "Seen with passport." in said
    assert operator.person_id in said


def test_a_reset_ends_the_tokens_of_the_person():
    owner = found_owner(now=utc_now())
    token = make_member_token(owner, Role.MEMBER, now=utc_now())
    person_id = act(token, now=utc_now()).person_id
    reset_second_factor(actor=found_operator(now=utc_now()), person_id=person_id, reason="Lost.", now=utc_now())

    with pytest.raises(NotSignedIn):
        act(token, now=utc_now())


def test_only_an_operator_resets_a_second_factor_and_never_the_own_one():
    operator, owner = found_operator(), found_owner()
    member = join(owner, Role.MEMBER)
    with pytest.raises(NotAllowed):
        reset_second_factor(actor=owner, person_id=member.person_id, reason="Lost.", now=utc_now())
    with pytest.raises(NotAllowed):
        reset_second_factor(actor=operator, person_id=operator.person_id, reason="Lost.", now=utc_now())
