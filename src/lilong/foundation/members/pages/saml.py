"""Signing in by another organisation's SAML: going there, coming back, and the hub's metadata.

allauth owns the flow before and after; its own views are lenient with answers, so these take their place.
"""

from allauth.core.internal import ratelimit
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.providers.base.provider import Provider
from allauth.socialaccount.providers.base.utils import respond_to_login_on_get
from allauth.socialaccount.providers.saml.utils import get_app_or_404
from allauth.socialaccount.sessions import LoginSession
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.bodies import reads_at_most
from lilong.common.errors import LimitReached
from lilong.foundation.members.pages.federation import allow_leaving
from lilong.foundation.members.pages.saml_protocol import Peer, refuse

ANSWERS = {"saml_answer": "120/m/ip"}
ANSWER_LENGTH_MAX = 256 * 1024
ANSWER_KEPT_S = 120
BROUGHT = "response"


class SamlTooOften(LimitReached):
    """One address brought more answers than people of one building do."""

    code = "members.saml_too_often"
    title = "Too many answers of other sign-ins came from here"
    next_step = "Wait a minute, then begin again at the sign-in page of the hub."


@require_http_methods(["GET", "POST"])
def sign_in_elsewhere(request: HttpRequest, organization_slug: str) -> HttpResponseBase:
    """Ask, then send the person there."""
    provider = _get_provider(request, organization_slug)
    peer = _get_peer(provider)
    asked: HttpResponseBase | None = respond_to_login_on_get(request, provider)
    if asked is not None:
        return allow_leaving(asked, origin=peer.find_origin())
    url, request_id = peer.begin()
    wanted = provider.get_redirect_from_request_kwargs(request)
    provider.stash_redirect_state(request, state_id=request_id, **wanted)
    return redirect(url)


@reads_at_most(bytes_max=2 * ANSWER_LENGTH_MAX)  # as forms write it
@csrf_exempt
@require_POST
def take_answer(request: HttpRequest, organization_slug: str) -> HttpResponseBase:
    """Keep what a browser brings until it comes again with its cookies, which a foreign page's form does not send."""
    provider = _get_provider(request, organization_slug)
    if not ratelimit.consume(request, app="lilong", action="saml_answer", config=ANSWERS):
        raise SamlTooOften
    brought = request.POST.get("SAMLResponse", "")
    if not 0 < len(brought) <= ANSWER_LENGTH_MAX:
        raise refuse(provider.sub_id, f"An answer of {len(brought)} characters.")
    response = redirect("saml_finish_acs", organization_slug=organization_slug)
    kept = _open_kept(request)
    kept.store.set_expiry(ANSWER_KEPT_S)
    kept.store.update({BROUGHT: brought})
    kept.save(response)
    return response


@require_safe
def finish(request: HttpRequest, organization_slug: str) -> HttpResponseBase:
    """Sign in whom the answer names, if this browser asked for it; each request is answered once."""
    provider = _get_provider(request, organization_slug)
    kept = _open_kept(request)
    brought = kept.store.get(BROUGHT)
    kept.delete()
    if not brought:
        raise refuse(provider.sub_id, "No answer was brought here.")
    answer = _get_peer(provider).open(brought)
    state = _take_state(request, provider, answer.request_id)
    statement = answer.check(request_id=answer.request_id)
    login = provider.sociallogin_from_response(request, statement)
    login.state = state
    signed_in: HttpResponseBase = complete_social_login(request, login)
    return signed_in


@require_safe
def show_metadata(request: HttpRequest, organization_slug: str) -> HttpResponse:
    """Show the hub's metadata to whoever runs the other sign-in."""
    provider = _get_provider(request, organization_slug)
    return HttpResponse(_get_peer(provider).write_metadata(), content_type="application/samlmetadata+xml")


def refuse_logout(request: HttpRequest, organization_slug: str) -> HttpResponse:  # noqa: ARG001 - Django's
    """Stand where allauth has single logout, whose answer may lead anywhere: a hub ends its own sessions."""
    raise Http404


def _get_provider(request: HttpRequest, provider_id: str) -> Provider:
    provider: Provider = get_app_or_404(request, provider_id).get_provider(request)
    return provider


def _get_peer(provider: Provider) -> Peer:
    return Peer(provider_id=provider.sub_id, said=provider.app.settings)


def _open_kept(request: HttpRequest) -> LoginSession:
    return LoginSession(request, "saml_acs_session", "saml-acs-session")


def _take_state(request: HttpRequest, provider: Provider, request_id: str) -> dict[str, object]:
    """Return what this browser wanted when it left with this request, once; raises SamlRefused."""
    try:
        state: dict[str, object] = provider.unstash_redirect_state(request, request_id)
    except PermissionDenied as error:
        raise refuse(provider.sub_id, "This browser did not ask for it, or has had the answer.") from error
    return state
