"""Founding an organisation: the step between signing up and the first order."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url

from lilong.common.django.people import find_actor, for_person, read_next
from lilong.common.errors import Conflict
from lilong.common.time import utc_now
from lilong.foundation.members.core.roles import OrganisationKind
from lilong.foundation.members.pages.forms import FoundForm
from lilong.foundation.members.pages.sessions import act_for, list_session_memberships
from lilong.foundation.members.pages.words import say_refusal
from lilong.foundation.members.services.organisations import found_organisation


@for_person
def found(request: HttpRequest) -> HttpResponseBase:
    """Found an organisation, apply for its admission, and act for it from now on."""
    form = FoundForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = found_organisation(
                person_id=find_actor(request).person_id,
                name=form.cleaned_data["name"],
                kind=OrganisationKind(form.cleaned_data["kind"]),
                now=utc_now(),
            )
        except Conflict as refusal:
            form.add_error(None, say_refusal(refusal))
        else:
            act_for(request, made.organisation_id)
            return redirect(read_next(request, default=resolve_url(settings.LOGIN_REDIRECT_URL)))
    return render(request, "members/found.html", {"form": form, "memberships": list_session_memberships(request)})
