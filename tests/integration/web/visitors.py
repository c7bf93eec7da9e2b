"""Browsers of everybody who may come to a hub, and what each gets; what a visit does is taken back afterwards."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http.response import HttpResponseBase
from django.test import Client

from lilong.common.permissions import Actor
from lilong.foundation.members.models import Person
from tests.integration.web.page_crowd import Crowd
from tests.integration.web.page_rules import FOUND, SIGN_IN, YES
from tests.page_routes import Route, list_page_routes

ANSWERS_TO_FORMS = {400, 402, 409, 422}
CSRF_TOKEN = "a" * 32
SAVEPOINT = re.compile(r'"s\d+_x\d+"')


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visitor got, and what the database was asked for it: statements, and all values in them as one text."""

    answer: HttpResponseBase
    statements: list[str]
    values: str

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

    @property
    def is_stale(self) -> bool:
        """Whether a form was refused because its token is missing or wrong."""
        return self.answer.status_code == 403 and "too old, or from elsewhere" in self.read()

    def read(self) -> str:
        """Return the text of the answer."""
        return b"".join(self.answer).decode(errors="replace")

    def read_without(self, *names: str) -> str:
        """Return all that is told, with these ids and the request's taken out."""
        headers = {name: value for name, value in self.answer.items() if name != "X-Request-Id"}
        told = f"{self.answer.status_code} {headers} {re.sub(r'req_[0-9a-f]{32}', 'REQUEST', self.read())}"
        for name in names:
            told = told.replace(name, "ID")
        return told


class Visitors:
    """One browser for each of the crowd, with a session of its own and a right token for forms."""

    def __init__(self, crowd: Crowd) -> None:
        self._sessions = {name: _sign_in(actor) for name, actor in crowd.people.items()}

    def visit(
        self,
        name: str,
        method: str,
        path: str,
        form: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Visit:
        """Open the page, or send the form; an empty header is left out."""
        sent = {"host": "127.0.0.1", "accept": "text/html", "x-csrftoken": CSRF_TOKEN, **(headers or {})}
        client = Client(enforce_csrf_checks=True, headers={header: text for header, text in sent.items() if text})
        client.cookies[settings.CSRF_COOKIE_NAME] = CSRF_TOKEN
        if self._sessions[name]:
            client.cookies[settings.SESSION_COOKIE_NAME] = self._sessions[name]
        asked: list[tuple[str, object]] = []

        def note(execute: Callable[..., object], sql: str, values: object, *rest: object) -> object:
            asked.append((SAVEPOINT.sub("", sql), values))
            return execute(sql, values, *rest)

        with connection.execute_wrapper(note), transaction.atomic():
            answer = client.post(path, form or {}) if method == "POST" else client.generic(method, path)
            transaction.set_rollback(True)
        for field in (form or {}).values():
            if isinstance(field, SimpleUploadedFile):
                field.seek(0)
        return Visit(answer, [sql for sql, _ in asked], repr([values for _, values in asked]))


def list_rows() -> Iterator[tuple[str, str, Route]]:
    """Yield the name in the matrix, the method and the route of every page that can be opened or sent."""
    for route in list_page_routes():
        for method in ("GET", "POST"):
            yield f"{method} {route.pattern}", method, route


def fill(route: Route, values: Mapping[str, str]) -> str:
    """Return the address; raises AssertionError that says what to add where nothing is made for a part of it."""
    try:
        return route.fill(values)
    except KeyError as error:
        raise AssertionError(f"make_values in page_crowd.py makes nothing for {error} in {route.pattern}") from error


def _sign_in(actor: Actor | None) -> str:
    if actor is None:
        return ""
    client = Client()
    with transaction.atomic():
        client.force_login(Person.objects.get(id=actor.person_id))
    return client.cookies[settings.SESSION_COOKIE_NAME].value
