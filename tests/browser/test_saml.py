"""Signing in by another organisation's SAML in Chromium: another site, with its cookies and policies in force."""

import json

import httpx
from playwright.sync_api import expect

from tests.hub import running_hub
from tests.saml_provider import running_saml_provider


def test_a_person_goes_to_the_other_sign_in_and_comes_back_signed_in(browser, tmp_path_factory):
    with running_saml_provider(tmp_path_factory.mktemp("campus")) as campus:
        provider = {
            "id": "campus",
            "name": "Example Campus",
            "entity_id": campus.entity_id,
            "metadata_url": campus.entity_id,
            "trusts_email": True,
        }
        given = {"LILONG_SAML_PROVIDERS": json.dumps([provider])}
        with running_hub(tmp_path_factory.mktemp("saml"), environment=given) as hub:
            campus.learn_hub(httpx.get(f"{hub.url}/account/saml/campus/metadata/").content)
            campus.set_person(
                "ada",
                {
                    "urn:oasis:names:tc:SAML:attribute:subject-id": ["ada@campus"],
                    "urn:oid:0.9.2342.19200300.100.1.3": ["ada@campus.example"],
                    "urn:oid:2.16.840.1.113730.3.1.241": ["Ada Lovelace"],
                },
            )
            page = browser.new_context(locale="en-GB", java_script_enabled=False).new_page()
            page.goto(f"{hub.url}/account/login/?next=/account/sessions/")
            page.get_by_role("link", name="Example Campus").click()
            page.get_by_role("button", name="Continue").click()
            page.get_by_label("Who are you?").fill("ada")
            page.get_by_role("button", name="Continue").click()
            page.get_by_role("button", name="Back to the hub").click()

            expect(page.get_by_role("banner")).to_contain_text("Ada Lovelace")
            assert page.url.startswith(f"{hub.url}/account/")
            page.context.close()
