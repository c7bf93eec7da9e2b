"""What forms of pages have in common: days and moments, and the answer to one that was refused."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lilong.common.errors import InputInvalid

DAY_FORMAT = "%Y-%m-%d"
MOMENT_FORMAT = "%Y-%m-%dT%H:%M"


def render_form(
    request: HttpRequest, template: str, context: Mapping[str, object], *, is_refused: bool
) -> HttpResponse:
    """Render a page with a form; with one that was refused it has the status 422, and stays as it is."""
    if not is_refused:
        return render(request, template, dict(context))
    response = render(request, template, dict(context), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    response.__dict__["lilong_error"] = InputInvalid.code
    return response


def read_text_file(*, file: "UploadedFile[bytes] | None", length_max: int, too_long: str, no_text: str) -> str:
    """Return the text of an uploaded file, empty without one; raises ValidationError with these words."""
    if not file:
        return ""
    if (file.size or 0) > length_max:
        raise forms.ValidationError(too_long)
    try:
        return str(file.read().decode())
    except UnicodeDecodeError as error:
        raise forms.ValidationError(no_text) from error


class DayField(forms.DateField):
    """A day, which browsers ask for by a calendar of their own: they know one way of writing it, in every language."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Django's
        widget = forms.DateInput(format=DAY_FORMAT, attrs={"type": "date"})
        super().__init__(widget=widget, input_formats=[DAY_FORMAT], **options)


class MomentField(forms.DateTimeField):
    """A moment to the minute, asked for as a day is. Its label has to say that it is in UTC."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Django's
        widget = forms.DateTimeInput(format=MOMENT_FORMAT, attrs={"type": "datetime-local"})
        super().__init__(widget=widget, input_formats=[MOMENT_FORMAT], **options)
