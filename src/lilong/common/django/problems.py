"""The one renderer of errors over HTTP: RFC 9457 problem documents for every way in which a call can fail."""

import json
from http import HTTPStatus

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from lilong.common.django.outages import find_outage
from lilong.common.errors import (
    FieldProblem,
    InputInvalid,
    InvariantBroken,
    LilongError,
    NotFound,
    NotSignedIn,
    render_problem,
)
from lilong.common.sentences import say

log = structlog.get_logger()


FIELDS_MAX = 100


class FieldProblemOut(Schema):
    """One wrong field."""

    path: str
    code: str
    message: str


class ProblemOut(Schema):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    code: str
    retryable: bool
    detail: str | None = None
    next_step: str | None = None
    fields: list[FieldProblemOut] | None = None
    facts: dict[str, str | int] | None = None
    instance: str | None = None


PROBLEMS = dict.fromkeys((400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 429, 503), ProblemOut)


class Unexpected(InvariantBroken):
    """Something failed that nobody foresaw."""

    code = "hub.unexpected"
    title = "The hub made a mistake"


class RequestMalformed(InputInvalid):
    """The request could not be read at all."""

    code = "input.malformed"
    title = "The request could not be read"
    status = 400
    next_step = "Send well-formed JSON in UTF-8 with the content type application/json."


class RequestTooLarge(InputInvalid):
    """The body is longer than the hub reads at once."""

    code = "input.too_large"
    title = "The request is too large"
    status = 413
    next_step = "Send less at once; files travel in pieces by the upload road."


def respond_problem(request: HttpRequest, error: LilongError) -> HttpResponse:
    """Return `error` as an application/problem+json response."""
    body = json.dumps(render_problem(error, instance=request.path), ensure_ascii=False)
    response = HttpResponse(body, status=error.status, content_type="application/problem+json")
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = 'Bearer realm="lilong"'
    return response


def install_problem_handlers(api: NinjaAPI) -> None:
    """Make every failure of `api` answer with a problem document; nothing shows a traceback to a caller."""

    def on_lilong_error(request: HttpRequest, error: LilongError | type[LilongError]) -> HttpResponse:
        raised = error() if isinstance(error, type) else error
        if raised.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_failed", code=raised.code, path=request.path, exc_info=raised)
        return respond_problem(request, raised)

    def on_validation_error(request: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
        fields = [] if isinstance(error, type) else [_field_problem(item) for item in error.errors[:FIELDS_MAX]]
        return respond_problem(request, InputInvalid(fields=fields))

    def on_http_error(request: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
        cause = None if isinstance(error, type) else error.__cause__
        return respond_problem(
            request, cause if isinstance(cause, LilongError) else RequestMalformed(detail=str(error))
        )

    def on_too_large(request: HttpRequest, _error: RequestDataTooBig | type[RequestDataTooBig]) -> HttpResponse:
        return respond_problem(request, RequestTooLarge())

    def on_broken_off(request: HttpRequest, _error: UnreadablePostError | type[UnreadablePostError]) -> HttpResponse:
        return respond_problem(request, RequestMalformed(detail=say("The body ended early.")))

    def on_missing(request: HttpRequest, _error: Http404 | type[Http404]) -> HttpResponse:
        return respond_problem(request, NotFound())

    def on_unauthenticated(
        request: HttpRequest, _error: AuthenticationError | type[AuthenticationError]
    ) -> HttpResponse:
        return respond_problem(request, NotSignedIn())

    def on_unexpected(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
        problem = (None if isinstance(error, type) else find_outage(error)) or Unexpected()
        log.error("request_failed", code=problem.code, path=request.path, exc_info=error)
        return respond_problem(request, problem)

    api.add_exception_handler(LilongError, on_lilong_error)
    api.add_exception_handler(ValidationError, on_validation_error)
    api.add_exception_handler(HttpError, on_http_error)
    api.add_exception_handler(RequestDataTooBig, on_too_large)
    api.add_exception_handler(UnreadablePostError, on_broken_off)
    api.add_exception_handler(Http404, on_missing)
    api.add_exception_handler(AuthenticationError, on_unauthenticated)
    api.add_exception_handler(Exception, on_unexpected)


def _field_problem(item: dict[str, object]) -> FieldProblem:
    location = item.get("loc")
    parts = [str(part) for part in location] if isinstance(location, (list, tuple)) else []
    where = 2 if parts[:1] == ["body"] else 1  # a body's location begins with the name of our parameter
    path = ".".join(parts[where:] or parts[:1])
    return FieldProblem(path=path, code=f"input.{item.get('type', 'invalid')}", message=str(item.get("msg", "")))
