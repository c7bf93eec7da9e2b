"""A browser without scripts: Django's client over the assembled hub, its forms, and the mails that wait."""

import base64
import hashlib
import hmac
import json
import re
import struct
import time
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from django.db import transaction
from django.test import Client

from lilong.common.django.sealing import unseal
from lilong.foundation.members.models import Mail, SharedCacheRow

PASSWORD = "correct horse battery"
CODE = re.compile(r"^\s*([A-Z0-9]{3,4}(?:-[A-Z0-9]{2,4})*)\s*$", re.MULTILINE)


class _HiddenFields(HTMLParser):
    """The hidden fields of the forms of a page that are sent to one address."""

    def __init__(self, *, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action = action
        self._counts = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            where = (given.get("action") or "").strip()
            self._counts = where in {"", self._action.split("?")[0]} and given.get("id") != "resend"
        hidden = tag == "input" and given.get("type") == "hidden" and given.get("name")
        if hidden and (self._counts or given.get("name") == "csrfmiddlewaretoken"):
            self.fields[str(given["name"])] = given.get("value") or ""


class Browser:
    """One browser with its cookies; every form carries the token that its page gave."""

    def __init__(self, *, host: str = "127.0.0.1", secure: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=True, headers={"host": host})
        self._secure = secure

    def get(self, path: str, *, follow: bool = False) -> Any:
        return self.client.get(path, secure=self._secure, follow=follow)

    def post(self, path: str, fields: Mapping[str, object], *, page: str = "") -> Any:
        """Open the page with the form, then send it."""
        hidden = _HiddenFields(action=path)
        hidden.feed(self.get(page or path).content.decode())
        return self.client.post(path, {**hidden.fields, **fields}, secure=self._secure)

    @property
    def session_key(self) -> str:
        return self.client.cookies["lilong-session"].value

    def sign_in(self, email: str, password: str = PASSWORD, *, following: str = "") -> Any:
        page = "/account/login/" + (f"?next={following}" if following else "")
        return self.post("/account/login/", {"login": email, "password": password}, page=page)

    def find_person(self) -> Any:
        """The person who is signed in, as the hub sees it, or None."""
        shown = self.get("/account/")
        return shown.wsgi_request.user if shown.status_code == 200 else None


def forget_limits() -> None:
    """Let time pass as far as limits of attempts are concerned."""
    with transaction.atomic():
        SharedCacheRow.objects.all().delete()


def read_mails(to: str) -> list[dict[str, str]]:
    """Return the mails that wait for somebody, oldest first."""
    rows = Mail.objects.order_by("id")
    mails = [json.loads(unseal(sealed=row.sealed, context=f"mail {row.id}")) for row in rows]
    return [mail for mail in mails if mail["to"] == to]


def read_code(to: str) -> str:
    """Return the code in the newest mail to somebody."""
    found = CODE.search(read_mails(to)[-1]["text"])
    assert found, read_mails(to)[-1]["text"]
    return found[1]


def sign_up(email: str, *, browser: Browser | None = None, name: str = "Ada", password: str = PASSWORD) -> Browser:
    """Sign up and verify the address; the browser that is returned is signed in."""
    browser = browser or Browser()
    sent = browser.post("/account/signup/", {"email": email, "name": name, "password1": password})
    assert sent.status_code == 302, sent.content
    browser.post("/account/confirm-email/", {"code": read_code(email)})
    assert browser.find_person() is not None
    forget_limits()
    return browser


def compute_code(secret: str, *, steps_on: int = 0) -> str:
    """Return what an authenticator app shows now (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps_on)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def set_up_totp(browser: Browser) -> tuple[str, list[str]]:
    """Set up an authenticator app; return its secret and the recovery codes."""
    browser.post("/account/reauthenticate/", {"password": PASSWORD})
    page = browser.get("/account/2fa/totp/activate/").content.decode()
    (secret,) = re.findall(r'id="authenticator_secret"[^>]*value="([A-Z2-7]+)"', page)
    activated = browser.post("/account/2fa/totp/activate/", {"code": compute_code(secret)}, page="/account/")
    assert activated.status_code == 302, activated.content
    codes = re.findall(r"\b\d{8}\b", browser.get("/account/2fa/recovery-codes/").content.decode())
    assert len(codes) == 10
    forget_limits()
    return secret, codes
