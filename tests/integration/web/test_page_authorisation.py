"""The matrix of who may open and send which page, tried out one by one over all that the resolver knows."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.http.response import HttpResponseBase
from django.test import Client

from lilong.foundation.members.models import Person
from tests.api.operations import forge
from tests.integration.web.page_rules import (
    FOUND,
    OUTCOMES,
    ROWS,
    RULES,
    SIGN_IN,
    VISITORS,
    YES,
    Crowd,
    gather_crowd,
    make_forms,
)
from tests.page_routes import Route, list_page_routes

NOT_TAKEN = "405"
ANSWERS_TO_FORMS = {400, 402, 409, 422}
CSRF = "a" * 32
SAVEPOINT = re.compile(r'"s\d+_x\d+"')
STRANGERS = ("buyer", "provider")
NO_IDS = {"", "record", "oidc", "keys"}
"""What stands before parts of addresses that are open to everybody, or one's own numbers."""

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
FORMS_WITHOUT_TOKEN = {
    "preferences",  # a stranger's page could at most change the language
    "account/device/code",  # for programs, which bring no cookie
    "account/device/token",
}
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
"""Each request is taken back once it is answered, so that nobody finds what another visitor has done."""


@pytest.fixture
def home(settings, tmp_path):
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visitor got, and what the database was asked for it."""

    answer: HttpResponseBase
    asked: list[str]

    @property
    def outcome(self) -> str:
        """Return the outcome as the matrix names it; raises AssertionError for a fault of the hub."""
        status, place = self.answer.status_code, self.answer.get("Location", "")
        assert status < 500, f"{status}: {self.answer}"
        if place.startswith("/account/login/?next="):
            return SIGN_IN
        if place.startswith("/account/organisations/new/?next="):
            return FOUND
        return YES if status < 400 or status in ANSWERS_TO_FORMS else str(status)

    def read_without(self, *names: str) -> str:
        """Return all that is told, with these ids and the request's taken out."""
        content = b"".join(self.answer)  # type: ignore[call-overload]  # every answer here can be read
        text = re.sub(r"req_[0-9a-f]{32}", "REQUEST", content.decode(errors="replace"))
        headers = {name: value for name, value in self.answer.items() if name != "X-Request-Id"}
        told = f"{self.answer.status_code} {headers} {text}"
        for name in names:
            told = told.replace(name, "ID")
        return told


class Visitors:
    """Browsers of everybody, each with a session of its own and a right token for forms."""

    def __init__(self, crowd: Crowd) -> None:
        self._sessions = {name: self._sign_in(actor) for name, actor in crowd.people.items()}

    def visit(
        self,
        name: str,
        method: str,
        path: str,
        form: dict[str, object] | None = None,
        *,
        token: str = CSRF,
        origin: str = "",
    ) -> Visit:
        """Open the page, or send the form, and take back what was done."""
        headers = {"host": "127.0.0.1", "accept": "text/html", "x-csrftoken": token, "origin": origin}
        client = Client(enforce_csrf_checks=True, headers={each: text for each, text in headers.items() if text})
        client.cookies[settings.CSRF_COOKIE_NAME] = CSRF
        if self._sessions[name]:
            client.cookies[settings.SESSION_COOKIE_NAME] = self._sessions[name]
        asked: list[str] = []

        def note(execute: Callable[..., object], sql: str, *rest: object) -> object:
            asked.append(SAVEPOINT.sub("", sql))
            return execute(sql, *rest)

        with connection.execute_wrapper(note), transaction.atomic():
            answer = client.post(path, form or {}) if method == "POST" else client.generic(method, path)
            transaction.set_rollback(True)
        for file in (form or {}).values():
            if hasattr(file, "seek"):
                file.seek(0)
        return Visit(answer, asked)

    def _sign_in(self, actor: object) -> str:
        if actor is None:
            return ""
        client = Client()
        with transaction.atomic():
            client.force_login(Person.objects.get(id=actor.person_id))
        return client.cookies[settings.SESSION_COOKIE_NAME].value


def is_stale(answer: HttpResponseBase) -> bool:
    return answer.status_code == 403 and b"too old, or from elsewhere" in b"".join(answer)  # type: ignore[call-overload]


def list_rows() -> Iterator[tuple[str, str, Route]]:
    for route in list_page_routes():
        for method in ("GET", "POST"):
            yield f"{method} {route.pattern}", method, route


def fill(route: Route, values: dict[str, str]) -> str:
    try:
        return route.fill(values)
    except KeyError as error:
        raise AssertionError(f"make_values in page_rules.py makes nothing for {error} in {route.pattern}") from error


def name_rules(outcomes: tuple[str, ...]) -> str:
    fitting = [name for name, expected in RULES.items() if tuple(expected) == outcomes]
    return " or ".join(fitting) or "no rule there is: " + ", ".join(
        map(": ".join, zip(VISITORS, outcomes, strict=True))
    )


def test_every_page_lets_in_exactly_whom_its_row_says():
    crowd = gather_crowd()
    visitors, forms, wrong, tried = Visitors(crowd), make_forms(crowd), [], set()
    for name, method, route in list_rows():
        path = fill(route, crowd.values)
        visits = {who: visitors.visit(who, method, path, forms.get(name)) for who in VISITORS}
        outcomes = tuple(each.outcome for each in visits.values())
        for each in visits.values():
            each.answer.close()
        if all(each in {NOT_TAKEN, SIGN_IN} for each in outcomes) and NOT_TAKEN in outcomes and name not in ROWS:
            continue
        tried.add(name)
        if name not in ROWS:
            wrong.append(f'{name} has no row. If that is right, add to ROWS: "{name}": "{name_rules(outcomes)}",')
        elif tuple(RULES[ROWS[name]]) != outcomes:
            expected = zip(VISITORS, RULES[ROWS[name]], outcomes, strict=True)
            differing = [f"{who} gets {got}, not {due}" for who, due, got in expected if got != due]
            wrong.append(f"{name}, {ROWS[name]}: {'; '.join(differing)}; so it is {name_rules(outcomes)}")

    wrong += [f"{name} is in ROWS, and no page" for name in ROWS.keys() - tried]
    assert not wrong, "\n".join(wrong)
    assert len(tried) >= 120


def test_every_form_is_refused_without_its_token_whoever_sends_it():
    crowd = gather_crowd()
    visitors, forms, wrong = Visitors(crowd), make_forms(crowd), []
    for route in list_page_routes():
        path = fill(route, crowd.values)
        for who in ("stranger", "owner", "operator"):
            for method in UNSAFE:
                answer = visitors.visit(who, method, path, forms.get(f"POST {route.pattern}"), token="").answer
                if (route.pattern in FORMS_WITHOUT_TOKEN) is is_stale(answer):
                    wrong.append(f"{method} {route.pattern} as {who}: {answer.status_code}")

    assert not wrong, "\n".join(wrong)


def test_a_token_of_another_browser_or_a_form_from_another_origin_opens_no_form():
    crowd = gather_crowd()
    visitors = Visitors(crowd)
    for trial in ({"token": "b" * 32}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert is_stale(visitors.visit("owner", "POST", "/provider/pools/new", {}, **trial).answer), trial
    assert visitors.visit("owner", "POST", "/provider/pools/new", {}).answer.status_code == 200


def test_whoever_belongs_elsewhere_is_told_of_a_real_id_what_is_told_of_one_that_nobody_has():
    """Also asked of the database is the same, statement by statement: no answer takes longer for what is there."""
    crowd = gather_crowd()
    visitors, forms, wrong, tried = Visitors(crowd), make_forms(crowd), [], 0
    for name, method, route in list_rows():
        word, _ = route.parts[0] if route.parts else ("", "")
        if name not in ROWS or word in NO_IDS:
            continue
        real, forged = crowd.values[word], forge(crowd.values[word])
        for who in STRANGERS:
            visits = [
                visitors.visit(who, method, route.fill(crowd.values | {word: each}), forms.get(name))
                for each in (real, forged)
            ]
            first, second = ([each.read_without(real, forged), *each.asked] for each in visits)
            if first != second:
                wrong.append(f"{name} as {who}: {set(first) - set(second)}, but {set(second) - set(first)}")
            tried += 1

    assert not wrong, "\n".join(wrong)
    assert tried >= 50


def test_a_rule_says_something_of_every_visitor_and_every_rule_is_used():
    assert {len(outcomes) for outcomes in RULES.values()} == {len(VISITORS)}
    assert {each for outcomes in RULES.values() for each in outcomes} == set(OUTCOMES)
    assert set(ROWS.values()) == set(RULES)
