"""The page to which the mail of an invitation leads.

The secret stands in the address of the first request alone: a cookie takes it over, so that it is in no later address,
no form and no session. The cookie outlives signing out: whoever uses another address signs out and comes back.
"""

from enum import StrEnum

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from lilong.common.django.people import find_actor
from lilong.common.errors import Conflict, LilongError, NotAllowed, NotFound
from lilong.common.time import utc_now
from lilong.foundation.members.core.invitations import InvitationState
from lilong.foundation.members.models import Person
from lilong.foundation.members.pages.sessions import act_for, choose_organisation, list_session_memberships
from lilong.foundation.members.queries import list_people
from lilong.foundation.members.queries.invitations import InvitationView, find_invitation
from lilong.foundation.members.services.invitations import accept_invitation

COOKIE = "lilong-invitation"
COOKIE_LIFE_S = 24 * 3600
SECRET_LENGTH_MAX = 100
OK = 200


class Standing(StrEnum):
    """Where somebody who opened the page stands: what the page says, and what comes next."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    ACCEPTED = "accepted"
    MEMBER = "member"
    STRANGER = "stranger"
    OTHER_ADDRESS = "other_address"
    UNCONFIRMED = "unconfirmed"
    READY = "ready"


@require_http_methods(["GET", "HEAD", "POST"])
def show_invitation(request: HttpRequest) -> HttpResponseBase:
    """Show an invitation, open or not, and accept it."""
    if "secret" in request.GET:
        response = redirect("invitation")
        _keep_secret(response, request.GET["secret"])
        return response
    secret = request.COOKIES.get(_name_cookie(), "")
    if request.method != "POST":
        return _show(request, secret)
    if not find_actor(request).person_id:
        return redirect_to_login(reverse("invitation"), reverse("account_login"))
    if request.POST.get("action") == "enter":
        return _enter(request, secret)
    try:
        joined = accept_invitation(person_id=find_actor(request).person_id, secret=secret, now=utc_now())
    except (Conflict, NotAllowed, NotFound) as refusal:
        return _show(request, secret, refusal=refusal)
    act_for(request, joined.organisation_id)
    messages.success(request, _("Welcome. You belong to the organisation now, and act for it."))
    return _leave_for_home()


def _enter(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Act for the organisation to which a member was invited; raises NotFound for others."""
    invitation = find_invitation(secret=secret, now=utc_now())
    choose_organisation(request, invitation.organisation_id if invitation else "")
    return _leave_for_home()


def _leave_for_home() -> HttpResponse:
    response = redirect(settings.LOGIN_REDIRECT_URL)
    response.delete_cookie(_name_cookie(), samesite="Lax")
    return response


def _show(request: HttpRequest, secret: str, *, refusal: LilongError | None = None) -> HttpResponse:
    invitation = find_invitation(secret=secret, now=utc_now()) if secret else None
    standing = _find_standing(request, secret, invitation)
    context: dict[str, object] = {"standing": standing.value, "invitation": invitation, "now": utc_now()}
    if invitation is not None:
        people = list_people(organisation_id=invitation.organisation_id, person_ids=[invitation.invited_by])
        context["inviter"] = people[0].name if people else ""
    response = render(request, "members/invitation.html", context, status=refusal.status if refusal else OK)
    if refusal is not None:
        response.__dict__["lilong_error"] = refusal.code  # the page says why itself
    return response


def _find_standing(request: HttpRequest, secret: str, invitation: InvitationView | None) -> Standing:
    if invitation is None:
        return Standing.UNKNOWN if secret else Standing.MISSING
    person = request.user if isinstance(request.user, Person) else None
    if person and any(each.organisation_id == invitation.organisation_id for each in list_session_memberships(request)):
        return Standing.MEMBER
    if invitation.state is not InvitationState.OPEN:
        return Standing(invitation.state.value)
    if person is None:
        return Standing.STRANGER
    if person.email != invitation.email:
        return Standing.OTHER_ADDRESS
    return Standing.READY if person.email_verified_at else Standing.UNCONFIRMED


def _keep_secret(response: HttpResponse, secret: str) -> None:
    kept = secret if secret.isascii() and secret.isprintable() else ""
    response.set_cookie(
        _name_cookie(),
        kept[:SECRET_LENGTH_MAX],
        max_age=COOKIE_LIFE_S,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _name_cookie() -> str:
    return f"__Host-{COOKIE}" if settings.IS_HTTPS else COOKIE
