"""Signing in with a passkey, in Chromium with an authenticator of its own: on localhost, as browsers have it."""

import json
import os
import subprocess
import sys

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from lilong.cli.local_hub import LocalHub
from tests.sign_ins import PASSWORD

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def page(browser):
    context: BrowserContext = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


def make_one_time_token(hub: LocalHub, email: str) -> str:
    """Return the token that `lilong init` prints for an operator."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    command = [sys.executable, "-m", "lilong.web.manage", "init", "--email", email]
    made = subprocess.run(command, env=ours | {"LILONG_HOME": str(hub.home)}, check=True, capture_output=True)
    return str(json.loads(made.stdout)["one_time_token"])


def test_an_operator_signs_in_first_adds_a_passkey_and_signs_in_with_it_alone(hub: LocalHub, page: Page):
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    url = hub.url.replace("127.0.0.1", "localhost")

    page.goto(f"{url}/account/first-sign-in/")
    page.get_by_label("One-time token").fill(make_one_time_token(hub, "passkeys@hub.example"))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password and sign in").click()
    expect(page.get_by_role("banner")).to_contain_text("passkeys")

    page.goto(f"{url}/account/2fa/webauthn/add/")
    if "reauthenticate" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(lambda shown: "/webauthn/add/" not in shown)
    assert len(session.send("WebAuthn.getCredentials", added)["credentials"]) == 1

    page.goto(f"{url}/account/")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{url}/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("banner")).to_contain_text("passkeys")
    assert troubles == []
