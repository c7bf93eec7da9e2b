import pytest

from lilong.foundation.members.models import Person
from tests.sign_ins import PASSWORD, Browser, read_code, sign_up

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_signs_up_verifies_the_address_by_a_code_and_is_signed_in():
    browser = Browser()
    sent = browser.post("/account/signup/", {"email": "Ada@Example.org", "name": "Ada", "password1": PASSWORD})

    assert sent["Location"] == "/account/confirm-email/"
    assert browser.find_person() is None
    person = Person.objects.get(email="ada@example.org")
    assert (person.id[:4], person.name) == ("per_", "Ada")
    verified = browser.post("/account/confirm-email/", {"code": read_code("ada@example.org")})
    assert verified.get("Location") == "/home", verified.content
    assert browser.find_person() == person


def test_who_signed_up_signs_out_and_in_again():
    browser = sign_up("ada@example.org")
    browser.post("/account/logout/", {}, page="/account/")
    assert browser.find_person() is None

    assert browser.sign_in("ADA@example.org")["Location"] == "/home"
    assert browser.find_person().email == "ada@example.org"


@pytest.mark.parametrize(
    ("chosen", "preferred", "written"),
    [("zh-hans", "en", "zh-hans"), ("", "zh-CN,zh;q=0.9,en;q=0.5", "zh-hans"), ("", "tlh", "en"), ("tlh", "", "en")],
)
def test_the_hub_writes_in_the_language_of_the_pages_on_which_somebody_signed_up(chosen, preferred, written):
    browser = Browser()
    browser.client.cookies["language"] = chosen
    browser.client.defaults["HTTP_ACCEPT_LANGUAGE"] = preferred

    assert sign_up("ada@example.org", browser=browser).find_person().language == written
