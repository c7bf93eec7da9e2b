"""Going to another organisation's sign-in: a form of ours whose answer leads away from here."""

from urllib.parse import urlsplit

from allauth.socialaccount.providers.openid_connect.views import login
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self' https: {origin}; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def sign_in_elsewhere(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Ask, then send the person there by OpenID Connect."""
    response: HttpResponseBase = login(request, provider_id=provider_id)
    provider = next((each for each in settings.LILONG.oidc_providers if each.id == provider_id), None)
    if provider is None:
        return response
    parts = urlsplit(provider.server_url)
    return allow_leaving(response, origin=f"{parts.scheme}://{parts.netloc}")


def allow_leaving(response: HttpResponseBase, *, origin: str) -> HttpResponseBase:
    """Let the page's form lead to an origin: browsers hold where a form's answer leads against its policy, too."""
    response["Content-Security-Policy"] = POLICY.format(origin=origin)
    return response
