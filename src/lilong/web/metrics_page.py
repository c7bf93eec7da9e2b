"""The address /metrics, and who may read it: whoever has the token; without one, this machine alone."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lilong.common.errors import LilongError, NotAllowed, NotSignedIn
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.web.metrics import read_numbers, render_metrics

TOKEN_LENGTH_MIN = 16
TOKEN_FILE_BYTES_MAX = 4096
PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")


class MetricsLocalOnly(NotAllowed):
    """The hub has no token for its metrics, and the request may come from another machine."""

    code = "metrics.local_only"
    title = "Metrics can be read on the hub's own machine only"
    next_step = (
        "The operator can put a secret into a file, name it in `metrics_token_file`, and let Prometheus send it as "
        "`Authorization: Bearer …`."
    )


class MetricsTokenWrong(NotSignedIn):
    """The request carries no token for the metrics, or another one."""

    code = "metrics.token_wrong"
    title = "Metrics need their own token"
    next_step = "Send what stands in the file that `metrics_token_file` names as `Authorization: Bearer …`."


class MetricsTokenUnreadable(LilongError):
    """The file that `metrics_token_file` names holds no token that could be compared."""

    code = "metrics.token_unreadable"
    title = "The hub cannot read the token of its metrics"
    status = 503
    next_step = "The operator puts one line of 16 characters or more into the file that `metrics_token_file` names."


@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Tell Prometheus the numbers of the hub."""
    _require_reader(request)
    numbers = read_numbers(now=utc_now())
    text, content_type = render_metrics(numbers=numbers, accept=request.headers.get("Accept", ""))
    return HttpResponse(text, content_type=content_type)


def _require_reader(request: HttpRequest) -> None:
    """Raise unless the caller may read. The token's file is read each time, so that writing it changes the token."""
    if settings.LILONG.metrics_token_file:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        expected = _read_token()
        if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), expected):
            raise MetricsTokenWrong
    elif not _is_this_machine(urlsplit(settings.LILONG.public_url).hostname or ""):
        # A proxy may stand before such a hub, and one that adds no header looks just like a caller from this machine.
        raise MetricsLocalOnly(detail=say("A hub with a public address tells its metrics for a token only."))
    elif any(name in request.headers for name in PROXY_HEADERS):
        raise MetricsLocalOnly(detail=say("The request came through a proxy."))
    elif not _is_this_machine(request.META.get("REMOTE_ADDR", "")):
        raise MetricsLocalOnly(detail=say("The request came from another machine."))


def _read_token() -> bytes:
    path = settings.LILONG.home / settings.LILONG.metrics_token_file
    try:
        with path.open("rb") as file:
            token = file.read(TOKEN_FILE_BYTES_MAX).strip()
    except OSError as error:
        raise MetricsTokenUnreadable from error
    if len(token) < TOKEN_LENGTH_MIN:
        raise MetricsTokenUnreadable
    return token


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
