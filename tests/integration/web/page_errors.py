"""Addresses whose views fail in every way in which a page can fail; the urlconf of tests."""

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from lilong.common.django.problems import RequestTooLarge
from lilong.common.errors import (
    Conflict,
    EngineBusy,
    EngineRefused,
    FieldProblem,
    InputInvalid,
    LimitReached,
    NotAllowed,
    NotFound,
)
from lilong.common.sentences import say
from lilong.web.urls import urlpatterns as own_patterns

FAILURES: dict[str, Exception] = {
    "bad": BadRequest(),
    "denied": PermissionDenied(),
    "refused": NotAllowed(detail="Your role is viewer."),
    "missing": Http404(),
    "unseen": NotFound(),
    "conflict": Conflict(),
    "large": RequestDataTooBig(),
    "larger": RequestTooLarge(),
    "invalid": InputInvalid(fields=[FieldProblem("name", "input.invalid", "Too long.")]),
    "expired": Conflict(detail=say("It expired at {expires_at}.", expires_at="2026-03-01T12:00:00.000000Z")),
    "engine": EngineRefused(detail="sbatch: error: Invalid account <a>"),
    "limit": LimitReached(retry_after_s=90),
    "busy": EngineBusy(retry_after_s=2),
    "outage": OperationalError("database is locked"),
    "mistake": RuntimeError("s3cret"),
}


def fail(request: HttpRequest, name: str) -> HttpResponse:
    raise FAILURES[name]


@require_POST
def take_form(request: HttpRequest) -> HttpResponse:
    return HttpResponse("taken")


urlpatterns = [*own_patterns, path("fail/<name>", fail), path("form", take_form)]
