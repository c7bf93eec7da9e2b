"""Around every request: an id, a line of log, a problem document for each refusal, headers that keep browsers safe."""

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TypeAlias

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lilong.common.django.bodies import find_excess
from lilong.common.django.problems import RequestMalformed, RequestTooLarge, Unexpected, respond_problem
from lilong.common.errors import InputInvalid, LilongError, LimitReached, NotAllowed, NotFound
from lilong.common.ids import new_id
from lilong.web.error_pages import (
    API_PREFIXES,
    PageMissing,
    PageUnreadable,
    find_refusal,
    respond_page,
    wants_page,
)
from lilong.web.reading import TextUnstorable, check_text

log = structlog.get_logger("lilong.web")

DRAINED_BYTES_MAX = 16 * 1024**2
DRAIN_CHUNK_BYTES = 256 * 1024
PROBLEM_JSON = "application/problem+json"
SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HSTS = "max-age=31536000"

View: TypeAlias = Callable[..., HttpResponseBase]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class MethodRefused(InputInvalid):
    """There is something at this address, but not for this method."""

    code = "method.refused"
    title = "This address does not take this method"
    status = 405
    next_step = "Use one of the methods in the header Allow."


class TooOften(LimitReached):
    """The same was tried too often in a short time."""

    code = "limit.too_often"
    title = "This was tried too often"
    next_step = "Wait a few minutes, then try again."


REFUSALS: dict[int, type[LilongError]] = {
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodRefused,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: RequestTooLarge,
    HTTPStatus.TOO_MANY_REQUESTS: TooOften,
}


class Envelope:
    """The outermost middleware. A caller's own X-Request-Id is kept when it is short and plain."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        began = time.monotonic()
        _bound_waiting(request)
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
        request.META["lilong.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self._answer(request)
            _drain(request)
            response["X-Request-Id"] = request_id
            if response.get("Content-Type", "").startswith("text/html"):
                response.setdefault("Content-Security-Policy", PAGE_POLICY)
            if settings.IS_HTTPS:
                response["Strict-Transport-Security"] = HSTS
            for name, value in SAFE_HEADERS.items():
                response.setdefault(name, value)
            milliseconds = round((time.monotonic() - began) * 1000)
            log.info("request", method=request.method, path=request.path, status=response.status_code, ms=milliseconds)
        return response

    def refuse_excess(
        self, request: HttpRequest, view: View, _args: Sequence[object], _options: Mapping[str, object]
    ) -> HttpResponseBase | None:
        """Refuse what is longer than a page reads: looking for the token of a form would read all of it.

        Operations of the API bound their bodies themselves.
        """
        refusal = None if request.path.startswith(API_PREFIXES) else find_excess(request, view)
        return self.answer_failure(request, refusal) if refusal else None

    process_view = refuse_excess  # the name that Django looks for

    def answer_failure(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer what the view of a page raised; operations of the API answer for themselves."""
        refusal = find_refusal(error)
        if refusal is None:
            return None  # Django's own refusals: their status says enough
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_failed", code=refusal.code, path=request.path, exc_info=error)
        return respond_page(request, refusal) if wants_page(request) else respond_problem(request, refusal)

    process_exception = answer_failure  # the name that Django looks for

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        try:
            check_text(request.path)
        except TextUnstorable as error:
            return respond_page(request, error) if wants_page(request) else respond_problem(request, error)
        response = self._get_response(request)
        if response.status_code < HTTPStatus.BAD_REQUEST or _says_why(response):
            return response
        mistake = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        if wants_page(request):
            refusals, other = REFUSALS | {HTTPStatus.NOT_FOUND: PageMissing}, PageUnreadable
            rendered = respond_page(request, refusals.get(response.status_code, Unexpected if mistake else other)())
        else:
            problem = REFUSALS.get(response.status_code, Unexpected if mistake else RequestMalformed)
            rendered = respond_problem(request, problem())
        if "Allow" in response:
            rendered["Allow"] = response["Allow"]
        return rendered


def _says_why(response: HttpResponseBase) -> bool:
    """Whether an answer explains itself: a problem, a page made of one, or the JSON that OAuth prescribes."""
    kind = response.get("Content-Type", "").partition(";")[0]
    return kind in {PROBLEM_JSON, "application/json"} or hasattr(response, "lilong_error")


def _bound_waiting(request: HttpRequest) -> None:
    """Let a caller who stops sending or taking bytes hold a thread for a bounded time only."""
    connection = request.META.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.settimeout(settings.LILONG.stall_timeout_s)


def _drain(request: HttpRequest) -> None:
    """Read what an early answer left of the body: over 64 KiB of it gunicorn closes the connection unannounced."""
    if "gunicorn.socket" not in request.META:
        return
    body, drained = request.META["wsgi.input"], 0
    with suppress(OSError):  # a body that broke off: gunicorn closes the connection
        while drained < DRAINED_BYTES_MAX and (chunk := body.read(DRAIN_CHUNK_BYTES)):
            drained += len(chunk)
