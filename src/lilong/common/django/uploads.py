"""What browsers upload: looked at before anything reads the body, as the check of a form's token does."""

from django.http import HttpRequest

LENGTH_DIGITS_MAX = 15


def has_room_for(request: HttpRequest, *, bytes_max: int) -> bool:
    """Say whether a request announces how long its body is, and that this is at most `bytes_max`."""
    length = request.headers.get("Content-Length") or "0"
    is_announced = "Transfer-Encoding" not in request.headers and length.isdecimal()
    return is_announced and int(length[:LENGTH_DIGITS_MAX]) <= bytes_max
