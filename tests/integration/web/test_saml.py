"""Signing in by another organisation's SAML: pysaml2's identity provider runs as a process of its own."""

import base64
import json
import os
import subprocess
import sys
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
from tests.saml_provider import PERSISTENT, TRANSIENT, write_key
from tests.saml_steps import (
    ADFS,
    EDUGAIN,
    ENTRA,
    LOGIN,
    come_back,
    come_from_campus,
    leave,
    tell,
)
from tests.sign_ins import PASSWORD, Browser, read_code, read_mails, sign_up

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_who_comes_first_on_chinese_pages_is_written_to_in_chinese(configure, campus):
    configure(trusts_email=True)
    tell(campus, "s-zh", email="wei@campus.example")
    browser = Browser()
    browser.client.cookies["language"] = "zh-hans"
    come_from_campus(campus, "s-zh", browser=browser)

    assert browser.find_person().language == "zh-hans"
