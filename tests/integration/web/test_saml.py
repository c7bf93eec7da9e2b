"""Signing in by another organisation's SAML: pysaml2's identity provider runs as a process of its own."""

import base64
import copy
import json
import os
import subprocess
import sys
import zlib
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client
from lxml import etree
from pydantic import ValidationError

from lilong.foundation.members.models import Person
from lilong.web.config import SamlProvider, Settings
from lilong.web.sign_in import build_settings
from tests.saml_provider import PERSISTENT, TRANSIENT, running_saml_provider, write_key
from tests.sign_ins import PASSWORD, Browser, read_code, read_mails, sign_up

pytestmark = pytest.mark.django_db(transaction=True)

EDUGAIN = (
    "urn:oasis:names:tc:SAML:attribute:subject-id",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:2.16.840.1.113730.3.1.241",
)
ENTRA = (
    "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.microsoft.com/identity/claims/displayname",
)
ADFS = (
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarysid",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "http://schemas.xmlsoap.org/claims/CommonName",
)
DSIG = "http://www.w3.org/2000/09/xmldsig#"
LOGIN = "/account/saml/campus/login/"


@pytest.fixture(scope="module")
def campus(tmp_path_factory):
    with running_saml_provider(tmp_path_factory.mktemp("campus")) as campus:
        yield campus


@pytest.fixture
def configure(settings, tmp_path, campus):
    """Let hub and provider know each other, with these settings beyond the necessary ones."""

    def configure_with(**more):
        if "metadata_file" not in more:
            more = {"metadata_url": campus.entity_id} | more
        provider = SamlProvider(**({"id": "campus", "name": "Campus", "entity_id": campus.entity_id} | more))
        settings.LILONG = settings.LILONG.model_copy(
            update={"saml_providers": (provider,), "public_url": "http://127.0.0.1"}
        )
        settings.SOCIALACCOUNT_PROVIDERS = build_settings(settings.LILONG)["SOCIALACCOUNT_PROVIDERS"]
        campus.learn_hub(Browser().get("/account/saml/campus/metadata/").content)

    return configure_with


def tell(campus, subject, *, email="ada@campus.example", name="Ada Lovelace", names=EDUGAIN, **more):
    """Let the provider know somebody by the names of attributes that such a provider uses."""
    values = zip(names, ([subject], [email], [name]), strict=True)
    campus.set_person(subject, dict(values), **more)


def leave(browser, *, query=""):
    """Let the browser be sent to the provider; return the address there."""
    leaving = browser.post(f"{LOGIN}{query}", {})
    assert leaving.status_code == 302, leaving.content
    return leaving["Location"]


def come_back(browser, path, fields):
    """Bring an answer as a form on a foreign page does, without the hub's cookies, and follow where it leads."""
    session = browser.client.cookies.pop("lilong-session", None)
    brought = browser.client.post(path, fields)
    if session is not None:
        browser.client.cookies["lilong-session"] = session.value
    return browser.get(brought["Location"], follow=True) if brought.status_code == 302 else brought


def come_from_campus(campus, subject, *, browser=None, query="", flaw=""):
    """Sign in by the provider; the browser that is returned has come back, with what it shows then."""
    browser = browser or Browser()
    return browser, come_back(browser, *campus.answer(leave(browser, query=query), subject, flaw=flaw))


@pytest.mark.parametrize("names", [EDUGAIN, ENTRA, ADFS], ids=["edugain", "entra", "adfs"])
def test_a_person_is_made_from_the_attributes_that_such_providers_send(configure, campus, names):
    configure(trusts_email=True)
    tell(campus, "s-1", email="Ada@Campus.example", names=names)
    browser, _ = come_from_campus(campus, "s-1")

    assert (browser.find_person().email, browser.find_person().name) == ("ada@campus.example", "Ada Lovelace")
    assert SocialAccount.objects.get().uid == "s-1"


def test_the_same_person_comes_again_even_when_the_address_changed_there(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-2", email="bo@campus.example")
    first, _ = come_from_campus(campus, "s-2")
    tell(campus, "s-2", email="bo.new@campus.example")
    again, _ = come_from_campus(campus, "s-2")

    assert again.find_person() == first.find_person()
    assert Person.objects.count() == 1


def test_an_address_that_is_not_trusted_is_verified_by_a_code(configure, campus):
    configure()
    tell(campus, "s-3", email="cy@campus.example")
    browser, _ = come_from_campus(campus, "s-3")

    assert browser.find_person() is None
    assert not EmailAddress.objects.get(email="cy@campus.example").verified
    browser.post("/account/confirm-email/", {"code": read_code("cy@campus.example")})
    assert browser.find_person().email == "cy@campus.example"


@pytest.mark.parametrize("trusts", [True, False])
def test_an_account_here_is_not_opened_by_the_same_address_there(configure, campus, trusts):
    configure(trusts_email=trusts)
    sign_up("ada@example.org")
    tell(campus, f"thief-{trusts}", email="ada@example.org")
    browser, _ = come_from_campus(campus, f"thief-{trusts}")

    assert browser.find_person() is None
    assert not SocialAccount.objects.exists()
    assert "already exists" in read_mails("ada@example.org")[-1]["text"]


def test_who_is_signed_in_connects_the_other_sign_in_and_uses_it_from_then_on(configure, campus):
    configure()
    browser = sign_up("ada@example.org")
    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    tell(campus, "s-5", email="other@campus.example")
    come_from_campus(campus, "s-5", browser=browser, query="?process=connect")

    assert SocialAccount.objects.get().user == browser.find_person()
    again, _ = come_from_campus(campus, "s-5")
    assert again.find_person() == browser.find_person()


def test_attributes_have_the_names_that_the_settings_say(configure, campus):
    configure(
        trusts_email=True, subject_attributes=("staffNo",), email_attributes=("no", "post"), name_attributes=("as",)
    )
    campus.set_person("s-6", {"staffNo": ["77"], "post": ["eve@campus.example", "e@campus.example"], "as": ["Eve"]})
    browser, _ = come_from_campus(campus, "s-6")

    assert (browser.find_person().name, browser.find_person().email) == ("Eve", "eve@campus.example")
    assert SocialAccount.objects.get().uid == "77"


@pytest.mark.parametrize(
    ("settings_beyond", "name_id", "lasts"),
    [
        ({}, (PERSISTENT, "p-1"), True),
        ({}, (TRANSIENT, "t-1"), False),
        ({}, ("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "ada@campus.example"), False),
        ({"subject_attributes": ("NameID",)}, ("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "p-2"), True),
        ({"subject_attributes": ("NameID",)}, (TRANSIENT, "t-2"), False),
    ],
)
def test_a_name_id_is_somebody_only_if_it_lasts(configure, campus, settings_beyond, name_id, lasts):
    configure(trusts_email=True, **settings_beyond)
    campus.set_person("s-7", {EDUGAIN[1]: ["fay@campus.example"]}, name_id=name_id)
    browser, page = come_from_campus(campus, "s-7")

    assert (browser.find_person() is not None) is lasts
    assert (page.status_code == 403) is not lasts
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == ([name_id[1]] if lasts else [])


def test_a_subject_with_several_values_is_nobody(configure, campus):
    configure(trusts_email=True)
    campus.set_person("s-8", {EDUGAIN[0]: ["s-8", "s-1"], EDUGAIN[1]: ["gus@campus.example"]})
    browser, page = come_from_campus(campus, "s-8")

    assert page.status_code == 403
    assert browser.find_person() is None


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


def test_what_the_provider_says_of_the_way_on_leads_nowhere(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-14")
    browser = Browser()
    path, fields = campus.answer(leave(browser), "s-14")
    assert fields["RelayState"] == "https://evil.example/"
    page = come_back(browser, path, fields)

    assert [urlsplit(where).netloc for where, _ in page.redirect_chain] == [""] * len(page.redirect_chain)


def test_who_was_sent_to_sign_in_comes_back_to_where_they_wanted_and_to_no_other_host(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-15")
    _, wanted = come_from_campus(campus, "s-15", query="?next=/account/sessions/")
    _, elsewhere = come_from_campus(campus, "s-15", query="?next=https://evil.example/")

    assert wanted.redirect_chain[-1][0] == "/account/sessions/"
    assert all("evil" not in where for where, _ in elsewhere.redirect_chain)


def test_answers_may_be_encrypted_for_the_hub_and_requests_are_signed_then(configure, campus, tmp_path):
    key_file, certificate_file = write_key(tmp_path)
    configure(trusts_email=True, key_file=key_file, certificate_file=certificate_file)
    tell(campus, "s-16")
    browser = Browser()
    leaving = leave(browser)
    path, fields = campus.answer(leaving, "s-16", flaw="encrypted")
    assert b"s-16" not in base64.b64decode(fields["SAMLResponse"])
    come_back(browser, path, fields)

    assert "Signature" in parse_qs(urlsplit(leaving).query)
    assert browser.find_person().email == "ada@campus.example"


def test_the_metadata_tell_the_other_side_what_it_has_to_know(configure):
    configure()
    answer = Browser().get("/account/saml/campus/metadata/")
    metadata = etree.fromstring(answer.content)

    assert answer["Content-Type"] == "application/samlmetadata+xml"
    assert metadata.get("entityID") == "http://127.0.0.1/account/saml/campus/metadata/"
    assert metadata.find("{*}SPSSODescriptor").get("WantAssertionsSigned") == "true"
    assert (
        metadata.find(".//{*}AssertionConsumerService").get("Location") == "http://127.0.0.1/account/saml/campus/acs/"
    )
    assert {each.get("Name") for each in metadata.iter("{*}RequestedAttribute")} >= set(EDUGAIN)
    assert metadata.get("validUntil") is None


def test_addresses_are_the_hubs_own_whatever_host_is_named(configure, settings):
    configure()
    settings.ALLOWED_HOSTS = ["*"]

    assert b"evil" not in Browser(host="evil.example").get("/account/saml/campus/metadata/").content


def test_metadata_that_cannot_be_had_any_more_are_good_for_a_day(configure, campus, settings):
    configure(trusts_email=True)
    tell(campus, "s-17")
    come_from_campus(campus, "s-17")
    cache.delete("saml.metadata.fresh.campus")
    configured = settings.SOCIALACCOUNT_PROVIDERS["saml"]["APPS"][0]["settings"]
    configured["metadata_url"] = "http://127.0.0.1:9/metadata"  # nobody listens there
    browser, _ = come_from_campus(campus, "s-17")
    assert browser.find_person() is not None
    cache.clear()

    page = Browser().get(LOGIN)
    assert page.status_code == 503
    assert "cannot be used now" in page.content.decode()


@pytest.mark.parametrize("spoil", ["out of date", "no certificate", "someone else's", "no XML"])
def test_metadata_that_do_not_do_are_said_to_be_so(configure, campus, tmp_path, spoil):
    file = tmp_path / "metadata.xml"
    file.write_bytes(httpx.get(campus.entity_id).content)
    configure(metadata_file=file)
    assert Browser().get(LOGIN).status_code == 200
    tree = etree.parse(file)
    if spoil == "out of date":
        tree.getroot().set("validUntil", "2020-01-01T00:00:00Z")
    elif spoil == "no certificate":
        for each in list(tree.iter("{*}KeyDescriptor")):
            each.getparent().remove(each)
    elif spoil == "someone else's":
        tree.getroot().set("entityID", "https://another-campus.example")
    file.write_bytes(b"" if spoil == "no XML" else etree.tostring(tree))

    assert Browser().get(LOGIN).status_code == 503


def test_single_logout_which_could_lead_anywhere_is_not_there(configure):
    configure()

    assert Browser().get("/account/saml/campus/sls/?RelayState=https://evil.example/").status_code == 404


def test_the_page_lets_its_form_lead_to_the_provider(configure, campus):
    configure()

    assert f"form-action 'self' https: {campus.url};" in Browser().get(LOGIN)["Content-Security-Policy"]


def test_the_sign_in_page_offers_the_provider(configure):
    configure()

    assert LOGIN in Browser().get("/account/login/").content.decode()


@pytest.mark.parametrize("page", ["login", "metadata", "acs/finish"])
def test_an_unknown_provider_is_a_page_that_is_not_there(page):
    assert Browser().get(f"/account/saml/nobody/{page}/").status_code == 404


def test_answers_are_counted_by_the_address_they_come_from(configure):
    configure()
    statuses = [Client().post("/account/saml/campus/acs/", {"SAMLResponse": "QQ=="}).status_code for _ in range(121)]

    assert statuses[0] == 302
    assert statuses[-1] == 429


def test_two_sign_ins_with_one_id_are_refused(tmp_path):
    (tmp_path / "secret").touch()
    oidc = {
        "id": "campus",
        "name": "Campus",
        "server_url": "https://a.example",
        "client_id": "hub",
        "client_secret_file": tmp_path / "secret",
    }
    saml = {"id": "campus", "name": "Campus", "entity_id": "urn:a", "metadata_url": "https://a.example/metadata"}

    with pytest.raises(ValidationError, match="same id: campus"):
        Settings(home=tmp_path, oidc_providers=[oidc], saml_providers=[saml])


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"metadata_url": "http://campus.example/metadata"},
        {"metadata_url": "https://campus.example/metadata", "metadata_file": "metadata.xml"},
        {"metadata_url": "https://campus.example/metadata", "key_file": "key.pem"},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        SamlProvider(**({"id": "campus", "name": "Campus", "entity_id": "urn:campus"} | wrong))


def test_without_its_packages_a_hub_runs_and_says_what_to_install(tmp_path):
    program = (
        "import sys; sys.modules['onelogin'] = None\n"
        "import django; django.setup()\n"
        "from django.urls import NoReverseMatch, reverse\n"
        "print(reverse('account_login'))\n"
        "try: reverse('saml_acs', args=['campus'])\n"
        "except NoReverseMatch: print('no SAML')\n"
    )
    given = {**os.environ, "LILONG_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "lilong.web.settings"}
    given.pop("LILONG_DATABASE_URL", None)
    runs = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
    assert runs.stdout.split("\n")[:2] == ["/account/login/", "no SAML"]

    provider = [{"id": "campus", "name": "Campus", "entity_id": "urn:a", "metadata_url": "https://a.example/m"}]
    given["LILONG_SAML_PROVIDERS"] = json.dumps(provider)
    refused = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "SettingsInvalid" in refused.stderr


def read_request_id(leaving):
    """Return the id of the request in an address that leads to the provider."""
    (request,) = parse_qs(urlsplit(leaving).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(request), -15)).get("ID")


def change(brought, do):
    """Return an answer that somebody on the way has changed."""
    response = etree.fromstring(base64.b64decode(brought))
    do(response)
    return base64.b64encode(etree.tostring(response)).decode()
