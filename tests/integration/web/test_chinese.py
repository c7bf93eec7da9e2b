"""Every page of people is Chinese for who reads Chinese, whether allauth or Lilong wrote it."""

import re
from html.parser import HTMLParser

import pytest

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
UNTRANSLATED = re.compile(r"[A-Za-z]{3,}(?: [A-Za-z]+){2,}")


class _Shown(HTMLParser):
    """The texts of a page's main part, and of its labels for screen readers."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "main"
        if self._inside and tag not in {"script", "style"}:
            self.texts += [value or "" for name, value in attrs if name in {"aria-label", "placeholder", "title"}]

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "main"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.append(data)


def find_english(browser: Browser, path: str) -> list[str]:
    browser.client.cookies["language"] = "zh-hans"
    answer = browser.get(f"/account/{path}")
    assert answer.status_code == 200, (path, answer.get("Location"))
    shown = _Shown()
    shown.feed(answer.content.decode())
    return [f"{path}: {text.strip()}" for text in shown.texts if UNTRANSLATED.search(text)]


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
