"""Pages whose form was refused: they say why themselves."""

from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lilong.common.errors import InputInvalid


def render_form(
    request: HttpRequest, template: str, context: Mapping[str, object], *, is_refused: bool
) -> HttpResponse:
    """Render a page with a form; with one that was refused it has the status 422, and stays as it is."""
    if not is_refused:
        return render(request, template, dict(context))
    response = render(request, template, dict(context), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    response.__dict__["lilong_error"] = InputInvalid.code
    return response
