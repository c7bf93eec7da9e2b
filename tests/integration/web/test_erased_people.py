"""Who is erased signs in no more, and nothing by which they did is left."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from lilong.common.time import utc_now
from lilong.foundation.members.models import Person
from lilong.foundation.members.services.people import erase_person
from tests.sign_ins import Browser, set_up_totp, sign_up

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_address_that_was_proven_is_noted_with_the_person():
    sign_up("ada@example.org")

    assert Person.objects.get(email="ada@example.org").email_verified_at is not None


def test_nothing_by_which_an_erased_person_signed_in_is_left():
    browser = sign_up("ada@example.org")
    set_up_totp(browser)
    erase_person(person_id=Person.objects.get().id, now=utc_now())

    assert browser.find_person() is None
    assert Browser().sign_in("ada@example.org").status_code == 200
    assert [model.objects.count() for model in (EmailAddress, Authenticator, UserSession)] == [0, 0, 0]
