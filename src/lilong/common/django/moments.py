"""A form's field for a moment, in UTC as all of the hub: browsers draw a calendar and a clock for it."""

from typing import Any

from django import forms

MOMENT = "%Y-%m-%dT%H:%M"


class _MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"


class MomentField(forms.DateTimeField):
    """A moment to the minute. Its label has to say that it is in UTC."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(input_formats=[MOMENT], widget=_MomentInput(format=MOMENT), **options)
