"""The operators' pages of organisations: who is at the hub, since when and with whom; suspending and reinstating."""

from datetime import date

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.people import find_actor, for_operator
from lilong.common.time import utc_now
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.core.standings import Standing, holds_on
from lilong.foundation.members.pages.words import KINDS, STANDINGS, STATES
from lilong.foundation.members.queries import OrganisationView, get_organisation, list_members, list_organisations
from lilong.foundation.members.services.organisations import reinstate_organisation, suspend_organisation

ORGANISATIONS_SHOWN = 25
MEMBERS_SHOWN = 100
REASON_MAX = 1000


class OrganisationFilterForm(forms.Form):
    """Which organisations to list."""

    state = forms.ChoiceField(
        label=_("State"), choices=[("", pgettext_lazy("organisations", "All")), *STATES.items()], required=False
    )
    kind = forms.ChoiceField(
        label=_("Kind"), choices=[("", pgettext_lazy("organisations", "All")), *KINDS.items()], required=False
    )


@require_safe
@for_operator
def show_organisations(request: HttpRequest) -> HttpResponseBase:
    """List organisations by state and kind, newest first."""
    form = OrganisationFilterForm({name: request.GET.get(name, "") for name in ("state", "kind")})
    said = form.cleaned_data if form.is_valid() else {"state": "", "kind": ""}
    page = list_organisations(
        actor=find_actor(request),
        cursor=request.GET.get("cursor"),
        limit=ORGANISATIONS_SHOWN,
        state=OrganisationState(said["state"]) if said["state"] else None,
        kind=OrganisationKind(said["kind"]) if said["kind"] else None,
    )
    return render(request, "members/desk_organisations.html", {"page": page, "form": form, "now": utc_now()})


class OverrideForm(forms.Form):
    """Why an organisation is suspended or reinstated; the button that sends it says which."""

    action = forms.ChoiceField(choices=[("suspend", "suspend"), ("reinstate", "reinstate")], widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The record keeps it."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_organisation(request: HttpRequest, organisation_id: str) -> HttpResponseBase:
    """Show an organisation, what it is at the hub and its present members; suspend or reinstate it."""
    actor, now = find_actor(request), utc_now()
    form = OverrideForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        if form.cleaned_data["action"] == "suspend":
            suspend_organisation(actor=actor, organisation_id=organisation_id, reason=reason, now=now)
            messages.success(request, gettext("Suspended: it cannot order; what runs goes on."))
        else:
            reinstate_organisation(actor=actor, organisation_id=organisation_id, reason=reason, now=now)
            messages.success(request, gettext("Reinstated: it can order again."))
        return redirect("desk_organisation", organisation_id=organisation_id)
    organisation = get_organisation(actor=actor, organisation_id=organisation_id)
    context = {
        "organisation": organisation,
        "standings": _read_standings(organisation, day=now.date()),
        "page": list_members(
            actor=actor, organisation_id=organisation_id, cursor=request.GET.get("cursor"), limit=MEMBERS_SHOWN
        ),
        "form": form,
        "now": now,
    }
    return render(request, "members/desk_organisation.html", context)


def _read_standings(organisation: OrganisationView, *, day: date) -> list[tuple[object, Standing, bool]]:
    """Return label, standing and whether it holds on this day."""
    return [(STANDINGS.get(each.kind, each.kind), each, holds_on(each, day=day)) for each in organisation.standings]
