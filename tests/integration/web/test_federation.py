"""Signing in by another organisation's OpenID Connect provider, which runs as a process of its own."""

from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount

from lilong.foundation.members.models import Person
from lilong.web.config import OidcProvider
from lilong.web.sign_in import build_settings
from tests.oidc_provider import approve_there, running_provider, set_claims
from tests.sign_ins import PASSWORD, Browser, read_code, read_mails, sign_up

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def campus():
    with running_provider() as url:
        yield url


@pytest.fixture
def configure(settings, tmp_path, campus):
    """Let the hub know the provider, with these settings beyond the necessary ones."""
    secret = tmp_path / "secret"
    secret.write_text("a secret\n", encoding="utf-8")

    def configure_with(**more):
        provider = OidcProvider(
            id="campus", name="Campus", server_url=campus, client_id="hub", client_secret_file=secret, **more
        )
        settings.LILONG = settings.LILONG.model_copy(update={"oidc_providers": (provider,)})
        settings.SOCIALACCOUNT_PROVIDERS = build_settings(settings.LILONG)["SOCIALACCOUNT_PROVIDERS"]

    return configure_with


def come_from_campus(campus: str, subject: str, *, browser: Browser | None = None, query: str = "") -> Browser:
    """Sign in by the provider, as a browser does it; the browser that is returned has come back."""
    browser = browser or Browser()
    leaving = browser.post(f"/account/oidc/campus/login/{query}", {})
    assert leaving["Location"].startswith(f"{campus}/"), leaving.content
    browser.get(approve_there(leaving["Location"], subject), follow=True)
    return browser


def test_a_person_with_a_trusted_address_is_made_and_signed_in(configure, campus):
    configure(trusts_email=True)
    set_claims(campus, "s-1", email="Ada@Campus.example", email_verified=True, name="Ada Lovelace")
    browser = come_from_campus(campus, "s-1")

    assert (browser.find_person().email, browser.find_person().name) == ("ada@campus.example", "Ada Lovelace")
    assert browser.find_person().id.startswith("per_")
    assert not browser.find_person().has_usable_password()


def test_the_same_person_comes_again_even_when_the_address_changed_there(configure, campus):
    configure(trusts_email=True)
    set_claims(campus, "s-2", email="bo@campus.example", email_verified=True, name="Bo")
    first = come_from_campus(campus, "s-2").find_person()
    set_claims(campus, "s-2", email="bo.new@campus.example", email_verified=True, name="Bo")

    assert come_from_campus(campus, "s-2").find_person() == first
    assert Person.objects.count() == 1


@pytest.mark.parametrize(("trusts", "said"), [(False, True), (True, False), (True, "true")])
def test_an_address_that_is_not_known_to_be_theirs_is_verified_by_a_code(configure, campus, trusts, said):
    configure(trusts_email=trusts)
    set_claims(campus, "s-3", email="cy@campus.example", email_verified=said, name="Cy")
    browser = come_from_campus(campus, "s-3")

    assert browser.find_person() is None
    assert not EmailAddress.objects.get(email="cy@campus.example").verified
    browser.post("/account/confirm-email/", {"code": read_code("cy@campus.example")})
    assert browser.find_person().email == "cy@campus.example"


@pytest.mark.parametrize("verified", [True, False])
def test_an_account_here_is_not_opened_by_the_same_address_there(configure, campus, verified):
    configure(trusts_email=True)
    sign_up("ada@example.org")
    set_claims(campus, f"thief-{verified}", email="ada@example.org", email_verified=verified, name="Thief")
    browser = come_from_campus(campus, f"thief-{verified}")

    assert browser.find_person() is None
    assert not SocialAccount.objects.exists()
    assert "already exists" in read_mails("ada@example.org")[-1]["text"]


def test_an_account_that_was_made_here_with_a_foreign_address_does_not_trap_its_owner(configure, campus):
    configure(trusts_email=True)
    Browser().post("/account/signup/", {"email": "dee@campus.example", "name": "Trap", "password1": PASSWORD})
    set_claims(campus, "s-4", email="dee@campus.example", email_verified=True, name="Dee")

    assert come_from_campus(campus, "s-4").find_person() is None
    assert not SocialAccount.objects.exists()


def test_who_is_signed_in_connects_the_other_sign_in_and_uses_it_from_then_on(configure, campus):
    configure()
    browser = sign_up("ada@example.org")
    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    set_claims(campus, "s-5", email="other@campus.example", email_verified=True, name="Ada")
    come_from_campus(campus, "s-5", browser=browser, query="?process=connect")

    assert SocialAccount.objects.get().user == browser.find_person()
    assert come_from_campus(campus, "s-5").find_person() == browser.find_person()


def test_claims_have_the_names_that_the_settings_say(configure, campus):
    configure(trusts_email=True, email_claim="mail", email_verified_claim="mail_ok", name_claim="shown_as")
    set_claims(campus, "s-6", mail="eve@campus.example", mail_ok=True, shown_as="Eve")

    person = come_from_campus(campus, "s-6").find_person()
    assert (person.name, person.email) == ("Eve", "eve@campus.example")


def test_an_answer_that_this_browser_did_not_ask_for_signs_nobody_in(configure, campus):
    configure(trusts_email=True)
    set_claims(campus, "s-7", email="fay@campus.example", email_verified=True, name="Fay")
    leaving = Browser().post("/account/oidc/campus/login/", {})
    back = approve_there(leaving["Location"], "s-7")
    victim = Browser()
    victim.get(back, follow=True)

    assert victim.find_person() is None


def test_the_page_lets_its_form_lead_to_the_provider(configure, campus):
    configure()
    policy = Browser().get("/account/oidc/campus/login/")["Content-Security-Policy"]

    assert f"form-action 'self' https: {campus};" in policy
    assert urlsplit(Browser().post("/account/oidc/campus/login/", {})["Location"]).query.count("code_challenge=") == 1


def test_an_unknown_provider_is_a_page_that_is_not_there():
    assert Browser().get("/account/oidc/nobody/login/").status_code == 404


def test_who_comes_first_on_chinese_pages_is_written_to_in_chinese_and_so_it_stays(configure, campus):
    configure(trusts_email=True)
    set_claims(campus, "s-zh", email="wei@campus.example", email_verified=True, name="Wei")
    browser = Browser()
    browser.client.cookies["language"] = "zh-hans"

    assert come_from_campus(campus, "s-zh", browser=browser).find_person().language == "zh-hans"
    assert come_from_campus(campus, "s-zh").find_person().language == "zh-hans"
