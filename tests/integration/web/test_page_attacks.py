"""What a stranger tries on every page: leading people away, framing, fields that no form has, endless bodies."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client
from django.urls import resolve

from lilong.common.django.bodies import FORM_BYTES_MAX
from lilong.platforms.supermarket.queries import search
from lilong.platforms.supermarket.queries.shelf_index import ShelfReader
from tests.integration.web.page_crowd import gather_crowd, make_forms
from tests.integration.web.page_rules import ROWS
from tests.integration.web.visitors import CSRF_TOKEN, Visitors, fill, list_rows
from tests.page_routes import list_page_routes
from tests.sessions import browse_as

EVIL = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,evil",
    "%2F%2Fevil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    " //evil.example",
    "\x01//evil.example",
    "//127.0.0.1:8000@evil.example/",
    "//evil.example\r\nSet-Cookie: evil=1",
    "/home\r\nSet-Cookie: evil=1",
)
LEADING_ON = (
    "POST account/login/",
    "POST account/logout/",
    "POST account/organisation/",
    "POST account/organisations/new/",
    "POST account/reauthenticate/",
    "POST provider/pools/<str:pool_id>/draining",
    "POST preferences",
)
PLACES = ("next", "redirect_to", "return_to", "url", "back", "continue", "cursor")
HEADERS = {"host": "127.0.0.1", "accept": "text/html"}
MARK = "marked-by-a-stranger"
UNREADABLE_BYTES = 10**12
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home"), pytest.mark.timeout(900)]


class NeverRead:
    """A body that may not be read."""

    def read(self, *_size):
        raise AssertionError("the body is read")

    readline = read


@pytest.fixture
def crowd(home):
    return gather_crowd()


def leaves(place):
    """Whether a browser that is sent here leaves the hub."""
    parts = urlsplit(place.replace("\\", "/"))
    return bool(parts.scheme or parts.netloc or place.startswith("//") or re.search(r"[\s\x00-\x1f\\]", place))


def test_no_page_leads_away_from_the_hub_whatever_it_is_asked_for(crowd):
    visitors, forms, wrong, led = Visitors(crowd), make_forms(crowd), [], 0
    for number, (name, method, route) in enumerate(each for each in list_rows() if each[0] in ROWS):
        for evil in EVIL if name in LEADING_ON else (EVIL[number % len(EVIL)],):
            wanted = dict.fromkeys(PLACES, evil)
            path, form = f"{fill(route, crowd.values)}?{urlencode(wanted)}", {**wanted, **forms.get(name, {})}
            for who in ("stranger", "owner"):
                answer = visitors.visit(who, method, path, form).answer
                place = answer.get("Location", "")
                led += bool(place)
                later = parse_qs(urlsplit(place).query).get("next", [])
                if any(map(leaves, [place, *later])) or "evil" in answer.cookies:
                    wrong.append(f"{name} as {who} with {evil!r}: {place}")
                answer.close()

    assert not wrong, "\n".join(wrong[:20])
    assert led >= 300


def test_every_answer_keeps_browsers_safe_whoever_gets_it(crowd):
    visitors, wrong, seen = Visitors(crowd), [], 0
    for name, method, route in list_rows():
        for who in ("stranger", "owner", "operator"):
            answer = visitors.visit(who, method, fill(route, crowd.values)).answer
            policy = answer["Content-Security-Policy"]
            lacking = [
                header
                for header, value in {
                    "X-Frame-Options": "DENY",
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "same-origin",
                    "Cross-Origin-Opener-Policy": "same-origin",
                }.items()
                if answer.get(header) != value
            ]
            lacking += [] if "no-store" in answer["Cache-Control"] else ["Cache-Control"]
            framed = "frame-ancestors 'none'" not in policy and policy != "sandbox"
            lacking += ["Content-Security-Policy"] if framed or "unsafe" in policy or "*" in policy else []
            lacking += [
                f"cookie {cookie}"
                for cookie, morsel in answer.cookies.items()
                if morsel.value and not (morsel["httponly"] and morsel["samesite"] == "Lax" and not morsel["domain"])
            ]
            wrong += [f"{name} as {who}: {lacking}"] if lacking else []
            seen += 1
            answer.close()

    assert not wrong, "\n".join(wrong[:20])
    assert seen >= 500


def test_fields_that_no_form_has_change_nothing(crowd, monkeypatch):
    """Every column that there is, sent beside the right form: none of what it holds gets near the database."""
    columns = {field.attname for model in apps.get_models() for field in model._meta.concrete_fields}
    extra = columns | {field.removesuffix("_id") for field in columns} | {"is_operator", "is_staff", "is_superuser"}
    visitors, forms, tried = Visitors(crowd), make_forms(crowd), 0
    monkeypatch.setattr(search, "SHELF", ShelfReader(stock_age=timedelta(days=1)))
    visitors.visit("owner", "GET", "/shelf", {})  # what a process keeps of the shelf is read before anything is counted
    for name, method, route in list_rows():
        is_ours = method == "POST" and name in ROWS and not route.pattern.startswith("account/")
        if is_ours or name in forms:
            form, path = forms.get(name, {}), fill(route, crowd.values)
            for who in ("viewer", "owner", "operator"):
                right = visitors.visit(who, method, path, form)
                more = visitors.visit(who, method, path, dict.fromkeys(extra, MARK) | form)
                assert more.outcome == right.outcome, f"{name} as {who}"
                assert MARK not in more.values, f"{name} as {who}"
                assert len(more.statements) == len(right.statements), f"{name} as {who}"
                tried += 1
    assert len(extra) >= 200
    assert tried >= 50


def test_a_body_that_is_longer_than_a_page_reads_is_refused_before_it_is_read(crowd):
    client, wrong = browse_as(crowd.own.owner, enforce_csrf=True), []
    client.cookies[settings.CSRF_COOKIE_NAME] = CSRF_TOKEN
    for route in list_page_routes():
        path = fill(route, crowd.values)
        view = resolve(path).func
        bounds_itself = getattr(view, "csrf_exempt", False) and not hasattr(view, "reads_at_most")
        bytes_max, _ = getattr(view, "reads_at_most", (FORM_BYTES_MAX, None))
        for length in [UNREADABLE_BYTES] if bounds_itself else [bytes_max + 1, UNREADABLE_BYTES]:
            sent: dict[str, Any] = {"CONTENT_LENGTH": str(length), "wsgi.input": NeverRead()}
            answer = client.post(path, headers={"x-csrftoken": CSRF_TOKEN}, **sent)
            if answer.status_code != 413 or "What you can do" not in answer.content.decode():
                wrong.append(f"{route.pattern}: {answer.status_code}")

    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize(
    "sent",
    [
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "1e3"},
        {"CONTENT_LENGTH": "0" * 15 + "9" * 9},
    ],
)
def test_a_body_whose_length_nobody_tells_is_refused(sent):
    answer = Client(headers=HEADERS).post("/account/login/", **sent)

    assert answer.status_code == 413


def test_a_form_of_the_usual_size_is_read():
    answer = Client(headers=HEADERS).post(
        "/account/login/", {"login": "a@example.org", "password": "x" * (FORM_BYTES_MAX - 2000)}
    )

    assert answer.status_code == 200
