"""Refusals for people: the same title, reason and next step as the problem document, as a page in their language."""

from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language_from_request, gettext, override

from lilong.common.django.outages import find_outage
from lilong.common.django.problems import RequestTooLarge, Unexpected
from lilong.common.errors import InputInvalid, LilongError, NotAllowed, NotFound
from lilong.web.refusals import explain_refusal

API_PREFIXES = ("/api/", "/agent/")
DJANGO_REFUSALS = (Http404, PermissionDenied, SuspiciousOperation, BadRequest, MultiPartParserError)


class PageMissing(NotFound):
    """There is no page at this address."""

    code = "page.missing"
    title = "There is no page at this address"
    next_step = "Check the address, or go on from the front page."


class PageUnreadable(InputInvalid):
    """What the browser sent could not be read."""

    code = "page.unreadable"
    title = "The hub could not read what your browser sent"
    status = 400
    next_step = "Go back, load the page again and repeat what you did."


class FormStale(NotAllowed):
    """The form was not made by this hub for this browser, or too long ago."""

    code = "form.stale"
    title = "This form is too old, or from elsewhere"
    next_step = "Nothing was changed. Go back, load the page again and send the form once more; cookies have to be on."


def wants_page(request: HttpRequest) -> bool:
    """Say whether the answer to a refusal is a page: never for the API, and else for who asks for HTML first."""
    kinds = ["application/problem+json", "text/html"]
    return not request.path.startswith(API_PREFIXES) and request.get_preferred_type(kinds) == "text/html"


def find_refusal(error: Exception) -> LilongError | None:
    """Return what a person is told about `error`; None where Django's own status says it."""
    if isinstance(error, LilongError):
        return error
    if isinstance(error, RequestDataTooBig):
        return RequestTooLarge()
    if isinstance(error, DJANGO_REFUSALS):
        return None
    return find_outage(error) or Unexpected()


def respond_page(request: HttpRequest, error: LilongError) -> HttpResponse:
    """Return `error` as a page with its status. The database is asked for refusals by role or standing alone."""
    with override(get_language_from_request(request)):
        context = {
            "error": error,
            "error_title": gettext(error.title),
            "error_next_step": gettext(error.next_step) if error.next_step else "",
            "refusal": explain_refusal(request, error),
            "back": find_page_before(request),
            "request_id": request.META.get("lilong.request_id", ""),
        }
        response = render(request, "web/error.html", context, status=error.status)
    response["Content-Language"] = get_language_from_request(request)
    response.__dict__["lilong_error"] = error.code
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    return response


def find_page_before(request: HttpRequest) -> str:
    """Return the path of the page of this hub from which somebody came to another one; empty where none is known."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    path = urlunsplit(("", "", came_from.path, came_from.query, ""))
    is_ours = came_from.netloc == request.META.get("HTTP_HOST") and url_has_allowed_host_and_scheme(path, None)
    return path if is_ours and path != request.get_full_path() else ""


def refuse_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django logs the reason itself
    """Answer a form without a valid token; Django's CSRF_FAILURE_VIEW."""
    return respond_page(request, FormStale())
