"""Pages of the hub itself. A view is one service or query call, then `render`."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.bodies import FORM_BYTES_MAX, reads_at_most
from lilong.common.django.people import find_actor, for_member
from lilong.common.errors import NotFound
from lilong.common.files import find_tools
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.members.pages.sessions import find_session_organisation
from lilong.foundation.record.public import find_newest_head, get_key_ring
from lilong.protocol.exports import KEYS_FILE
from lilong.web.navigation import list_first_steps
from lilong.web.pulse import read_pulse
from lilong.web.shell import THEME_COOKIE, THEMES
from lilong.web.style import build_specimens

TOOLS = ("recompute_charge.py", "verify_record.py")


@require_safe
def show_front(request: HttpRequest) -> HttpResponse:
    """Show what the hub is and how it does, to everybody."""
    return render(request, "web/front.html", {"pulse": read_pulse(now=utc_now()), "steps": list_first_steps(request)})


@require_safe
@for_member
def show_organisation(request: HttpRequest) -> HttpResponseBase:
    """Show for which organisation one acts, and what it keeps here."""
    context = {"organisation": find_session_organisation(request), "actor": find_actor(request)}
    return render(request, "web/organisation.html", context)


@require_safe
def show_verify(request: HttpRequest) -> HttpResponse:
    """Show how an outsider checks a receipt and the record."""
    ring = get_key_ring()
    files = (KEYS_FILE, *TOOLS) if ring.witnesses else TOOLS
    context = {"head": find_newest_head(), "keys": (*ring.logs, *ring.witnesses), "files": files}
    return render(request, "web/verify.html", context)


@require_safe
def download_proof_file(_request: HttpRequest, name: str) -> HttpResponse:
    """Send one of the programs that check a receipt, or the file of the keys that they need."""
    if name == KEYS_FILE:
        content = get_key_ring().render()
    elif name in TOOLS:
        content = (find_tools() / name).read_bytes()
    else:
        raise NotFound(detail=say("Nothing here is called {name}.", name=name[:64]))
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_safe
def show_style(request: HttpRequest) -> HttpResponse:
    """Show every token and part that pages are made of."""
    return render(request, "web/style.html", build_specimens(now=utc_now()))


@reads_at_most(bytes_max=FORM_BYTES_MAX)
@csrf_exempt  # a stranger's page could at most change the language; so visitors who only look get no cookie
@require_POST
def set_preferences(request: HttpRequest) -> HttpResponse:
    """Keep the language or theme that was chosen in a cookie, and go back to the page."""
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    response = HttpResponseRedirect(back if is_ours else "/", status=303)
    language, theme = request.POST.get("language"), request.POST.get("theme")
    if language in dict(settings.LANGUAGES):
        _keep(response, settings.LANGUAGE_COOKIE_NAME, language)
    if theme in THEMES:
        _keep(response, THEME_COOKIE, theme)
    elif theme == "auto":
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _keep(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name, value, max_age=settings.LANGUAGE_COOKIE_AGE, secure=settings.IS_HTTPS, httponly=True, samesite="Lax"
    )
