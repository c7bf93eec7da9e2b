"""Answers of SAML that prove nothing: each is refused, and signs nobody in."""

import base64
import copy

import pytest
from allauth.socialaccount.models import SocialAccount
from lxml import etree

from lilong.foundation.members.models import Person
from tests.saml_provider import PERSISTENT
from tests.saml_steps import (
    EDUGAIN,
    change,
    come_back,
    come_from_campus,
    leave,
    read_request_id,
    tell,
)
from tests.sign_ins import Browser

pytestmark = pytest.mark.django_db(transaction=True)

DSIG = "http://www.w3.org/2000/09/xmldsig#"


@pytest.mark.parametrize(
    "flaw",
    [
        "unsigned",
        "sha1",
        "audience",
        "no audience",
        "recipient",
        "longer recipient",
        "no recipient",
        "expired",
        "expired for the hub",
        "no end",
        "early",
        "issuer",
        "unbound",
        "initiated",
    ],
)
def test_an_answer_with_a_flaw_signs_nobody_in_and_says_how_to_go_on(configure, campus, flaw):
    configure(trusts_email=True)
    tell(campus, "s-9")
    browser, page = come_from_campus(campus, "s-9", flaw=flaw)

    assert page.status_code == 403
    assert "Begin again at the sign-in page" in page.content.decode()
    assert browser.find_person() is None
    assert not Person.objects.exists()


def test_clocks_may_differ_by_minutes(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-10")
    browser, _ = come_from_campus(campus, "s-10", flaw="clock two minutes fast")

    assert browser.find_person() is not None


def test_an_answer_is_good_once(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-11")
    browser = Browser()
    path, fields = campus.answer(leave(browser), "s-11")
    come_back(browser, path, fields)
    assert browser.find_person() is not None
    browser.post("/account/logout/", {}, page="/account/")
    again = come_back(browser, path, fields)

    assert again.status_code == 403
    assert browser.find_person() is None


def test_an_answer_to_another_browser_signs_nobody_in(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-12")
    stolen = campus.answer(leave(Browser()), "s-12")
    thief = Browser()
    leave(thief)
    page = come_back(thief, *stolen)

    assert page.status_code == 403
    assert thief.find_person() is None


def test_a_stolen_assertion_in_an_answer_of_ones_own_signs_nobody_in(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-13")
    path, fields = campus.answer(leave(Browser()), "s-13")
    thief = Browser()
    own_id = read_request_id(leave(thief))
    fields["SAMLResponse"] = change(fields["SAMLResponse"], lambda response: response.set("InResponseTo", own_id))
    page = come_back(thief, path, fields)

    assert page.status_code == 403
    assert thief.find_person() is None


def wrap_before(response, signed, evil):
    response.insert(response.index(signed), evil)


def wrap_after(response, signed, evil):
    response.append(evil)


def wrap_around(response, signed, evil):
    response.replace(signed, evil)
    evil.append(signed)


def wrap_in_signature(response, signed, evil):
    """Move the signature to the evil assertion, and what it signed below it."""
    response.replace(signed, evil)
    signature = signed.find("{*}Signature")
    evil.insert(1, signature)
    signature.append(signed)


def wrap_in_object(response, signed, evil):
    response.replace(signed, evil)
    signature = signed.find("{*}Signature")
    evil.insert(1, signature)
    etree.SubElement(signature, f"{{{DSIG}}}Object").append(signed)


def wrap_in_extensions(response, signed, evil):
    response.replace(signed, evil)
    extensions = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    extensions.append(signed)
    response.insert(1, extensions)


def wrap_with_the_same_id(response, signed, evil):
    evil.set("ID", signed.get("ID"))
    response.insert(response.index(signed), evil)


@pytest.mark.parametrize(
    "wrap",
    [
        wrap_before,
        wrap_after,
        wrap_around,
        wrap_in_signature,
        wrap_in_object,
        wrap_in_extensions,
        wrap_with_the_same_id,
    ],
)
def test_a_signature_over_something_else_vouches_for_nothing(configure, campus, wrap):
    configure(trusts_email=True)
    tell(campus, "victim", email="victim@campus.example")
    victim, _ = come_from_campus(campus, "victim")
    assert victim.find_person() is not None
    tell(campus, "attacker", email="attacker@campus.example")

    def attack(response):
        (signed,) = response.findall("{*}Assertion")
        evil = copy.deepcopy(signed)
        evil.set("ID", "_evil")
        evil.remove(evil.find("{*}Signature"))
        values = [each for each in evil.iter("{*}AttributeValue") if each.text == "attacker"]
        assert values
        values[0].text = "victim"
        wrap(response, signed, evil)

    browser = Browser()
    path, fields = campus.answer(leave(browser), "attacker")
    fields["SAMLResponse"] = change(fields["SAMLResponse"], attack)
    page = come_back(browser, path, fields)

    assert page.status_code == 403
    assert browser.find_person() is None


@pytest.mark.parametrize("where", ["attribute", "NameID"])
def test_a_comment_cuts_nobodys_id_short(configure, campus, where):
    configure(trusts_email=True)
    names = EDUGAIN[0] if where == "attribute" else "other"
    campus.set_person("v", {names: ["ada"], EDUGAIN[1]: ["ada@campus.example"]}, name_id=(PERSISTENT, "ada"))
    victim, _ = come_from_campus(campus, "v")
    evil = "ada.evil"
    campus.set_person("e", {names: [evil], EDUGAIN[1]: ["evil@campus.example"]}, name_id=(PERSISTENT, evil))

    def comment(response):
        tag = "AttributeValue" if where == "attribute" else "NameID"
        (element,) = [each for each in response.iter(f"{{*}}{tag}") if each.text == evil]
        element.text = "ada"
        element.insert(0, etree.Comment("."))
        element[0].tail = ".evil"

    browser = Browser()
    path, fields = campus.answer(leave(browser), "e")
    fields["SAMLResponse"] = change(fields["SAMLResponse"], comment)
    come_back(browser, path, fields)

    assert victim.find_person() is not None
    assert browser.find_person() != victim.find_person()
    assert set(SocialAccount.objects.values_list("uid", flat=True)) == {"ada", evil}


@pytest.mark.parametrize(
    "brought",
    [
        "",
        "no base64!",
        base64.b64encode(b"no XML").decode(),
        base64.b64encode(b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>').decode(),
        "A" * (300 * 1024),
    ],
    ids=["nothing", "no base64", "no XML", "entities", "too large"],
)
def test_bytes_that_are_no_answer_are_refused(configure, campus, brought):
    configure()
    page = come_back(Browser(), "/account/saml/campus/acs/", {"SAMLResponse": brought})

    assert page.status_code == 403
