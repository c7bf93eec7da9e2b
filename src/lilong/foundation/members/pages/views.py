"""Pages of people beyond allauth's: the overview, choosing an organisation, the first sign-in with a one-time token."""

from allauth.account.utils import perform_login
from allauth.core.internal import ratelimit
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.people import find_actor, for_person, read_next
from lilong.common.errors import Conflict, NotSignedIn
from lilong.common.time import utc_now
from lilong.foundation.members.pages.forms import FirstSignInForm
from lilong.foundation.members.pages.sessions import choose_organisation, list_session_memberships
from lilong.foundation.members.services.passwords import set_first_password

FIRST_SIGN_INS = {"first_sign_in": "10/m/ip"}


@require_safe
@for_person
def show_overview(request: HttpRequest) -> HttpResponseBase:
    """Show who is signed in, for which organisation, and where everything about the account is."""
    context = {
        "memberships": list_session_memberships(request),
        "actor": find_actor(request),
    }
    return render(request, "members/overview.html", context)


@require_POST
@for_person
def switch_organisation(request: HttpRequest) -> HttpResponseBase:
    """Act for another of one's own organisations from now on; raises NotFound."""
    choose_organisation(request, request.POST.get("organisation_id", ""))
    return redirect(read_next(request, default=reverse("account_overview")))


@sensitive_post_parameters("token", "password")
def sign_in_first(request: HttpRequest) -> HttpResponseBase:
    """Set a first password by a one-time token, and sign in with it."""
    form = FirstSignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not ratelimit.consume(request, app="lilong", action="first_sign_in", config=FIRST_SIGN_INS):
            form.add_error(None, _("Too many attempts. Try again in a minute."))
        else:
            try:
                person = set_first_password(
                    token=form.cleaned_data["token"].strip(), password=form.cleaned_data["password"], now=utc_now()
                )
            except NotSignedIn:
                form.add_error("token", _("This token is unknown, used up or too old. Ask for a new one."))
            except Conflict:
                form.add_error("token", _("This person signs in here already: use the password, or reset it."))
            else:
                signed_in: HttpResponseBase = perform_login(request, person, email=person.email)
                return signed_in
    return render(request, "members/first_sign_in.html", {"form": form})
