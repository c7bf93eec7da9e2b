"""How many bytes of a body a page reads: those of a form, unless its view says more."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lilong.common.django.problems import RequestTooLarge
from lilong.common.errors import LilongError

FORM_BYTES_MAX = 256 * 1024
DIGITS_MAX = 15

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def reads_at_most(*, bytes_max: int, refusal: type[LilongError] = RequestTooLarge) -> Callable[[View], View]:
    """Let a page read up to `bytes_max`, its form included; `refusal` tells people what to do with more.

    It stands outermost: what is too long is refused before any of it is read, and so before anybody is asked who they
    are.
    """

    def declare(view: View) -> View:
        view.__dict__["reads_at_most"] = (bytes_max, refusal)
        return view

    return declare


def find_excess(request: HttpRequest, view: Callable[..., HttpResponseBase]) -> LilongError | None:
    """Return the refusal of a body that is longer than the view reads or of unknown length; None for others.

    A view that declares nothing and looks for its form's token itself bounds what it reads itself, too.
    """
    declared = getattr(view, "reads_at_most", None)
    if declared is None and getattr(view, "csrf_exempt", False):
        return None
    bytes_max, refusal = declared or (FORM_BYTES_MAX, RequestTooLarge)
    length = request.headers.get("Content-Length") or "0"
    is_number = length.isascii() and length.isdecimal() and len(length) <= DIGITS_MAX
    if is_number and int(length) <= bytes_max and "Transfer-Encoding" not in request.headers:
        return None
    return refusal(facts={"limit": bytes_max})
