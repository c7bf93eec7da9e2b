"""Every page of people is Chinese for who reads Chinese, whether allauth or Lilong wrote it."""

import pytest

from tests.reading import list_english
from tests.sign_ins import PASSWORD, Browser, set_up_totp, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
FOR_STRANGERS = ("login/", "signup/", "password/reset/", "first-sign-in/")
FOR_PERSONS = (
    "",
    "email/",
    "password/change/",
    "sessions/",
    "2fa/",
    "2fa/totp/activate/",
    "2fa/webauthn/",
    "2fa/webauthn/add/",
    "2fa/recovery-codes/generate/",
    "3rdparty/",
    "device/",
    "logout/",
    "reauthenticate/",
)


def find_english(browser: Browser, path: str) -> list[str]:
    browser.client.cookies["language"] = "zh-hans"
    answer = browser.get(f"/account/{path}")
    assert answer.status_code == 200, (path, answer.get("Location"))
    return [f"{path}: {text}" for text in list_english(answer.content.decode())]


def test_strangers_read_chinese():
    assert not [text for path in FOR_STRANGERS for text in find_english(Browser(), path)]


def test_persons_read_chinese():
    browser = sign_up("ada@example.org", name="艾达")
    browser.post("/account/reauthenticate/", {"password": PASSWORD})

    assert not [text for path in FOR_PERSONS for text in find_english(browser, path)]


def test_refusals_and_mails_are_chinese():
    browser = sign_up("ada@example.org", name="艾达")
    set_up_totp(browser)
    browser.client.cookies["language"] = "zh-hans"
    stranger = Browser()
    stranger.client.cookies["language"] = "zh-hans"
    wrong = stranger.sign_in("ada@example.org", "not the password").content.decode()

    assert "不正确" in wrong
    assert not find_english(browser, "2fa/recovery-codes/generate/")
