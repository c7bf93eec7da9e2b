"""Pages of what organisations are at the hub: one's own, and for operators to grant, extend and end."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.time import utc_now
from lilong.foundation.members.core.roles import OrganisationKind
from lilong.foundation.members.core.standings import StandingKind
from lilong.foundation.members.pages.words import STANDINGS
from lilong.foundation.members.queries import find_order_refusal, get_organisation
from lilong.foundation.members.queries.consents import list_consents
from lilong.foundation.members.queries.standings import get_standing, list_open_applications, list_standings
from lilong.foundation.members.services.standings import end_standing, grant_standing

STANDINGS_SHOWN = 50
REASON_MAX = 1000


class GrantForm(forms.Form):
    """A standing to grant, from today or a later day on."""

    kind = forms.ChoiceField(label=_("As"), choices=list(STANDINGS.items()))
    starts_on = DayField(label=_("From the day"))
    ends_on = DayField(
        label=_("Until the day before"),
        help_text=_("Left out, it has no end."),
        required=False,
    )
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The organisation reads it, and the record keeps it."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for an end after the beginning."""
        given: dict[str, Any] = {**self.cleaned_data}
        if given.get("ends_on") and given.get("starts_on") and given["ends_on"] <= given["starts_on"]:
            self.add_error("ends_on", _("It must be later than the first day; on this day the standing holds no more."))
        return given


class EndForm(forms.Form):
    """When a standing ends: earlier ends it, later extends it."""

    ends_on = DayField(
        label=_("Until the day before"),
        help_text=_("Today ends it now; a later day than before extends it. New orders stop then; what runs goes on."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The organisation reads it, and the record keeps it."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, least: date, **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        self._least = least

    def clean_ends_on(self) -> date:
        """Refuse days that are over."""
        ends_on: date = self.cleaned_data["ends_on"]
        if ends_on < self._least:
            raise forms.ValidationError(_("It must not be before today or the first day of the standing."))
        return ends_on


@require_safe
@for_member
def show_own(request: HttpRequest) -> HttpResponseBase:
    """Show what one's own organisation is at the hub, since when, until when and by which decision."""
    actor, now = find_actor(request), utc_now()
    organisation = get_organisation(actor=actor, organisation_id=actor.organisation_id)
    context = {
        "organisation": organisation,
        "page": list_standings(
            actor=actor,
            organisation_id=organisation.id,
            cursor=request.GET.get("cursor"),
            limit=STANDINGS_SHOWN,
            now=now,
        ),
        "asked": list_open_applications(actor=actor, organisation_id=organisation.id),
        "is_unasked": not list_consents(actor=actor) and organisation.kind != OrganisationKind.HUB,
        "may_order": not find_order_refusal(organisation=organisation, now=now),
        "now": now,
    }
    return render(request, "members/standings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_of(request: HttpRequest, organisation_id: str) -> HttpResponseBase:
    """Show what an organisation is at the hub, and grant it something more."""
    form = GrantForm(request.POST or None, initial={"starts_on": utc_now().date()})
    if request.method != "POST" or not form.is_valid():
        return _render_desk(request, organisation_id, form)
    given = form.cleaned_data
    grant_standing(
        actor=find_actor(request),
        organisation_id=organisation_id,
        kind=StandingKind(given["kind"]),
        starts_on=given["starts_on"],
        ends_on=given["ends_on"],
        reason=given["reason"],
        now=utc_now(),
    )
    messages.success(request, gettext("Granted, and the record keeps why."))
    return redirect("desk_standings", organisation_id=organisation_id)


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def change_end(request: HttpRequest, organisation_id: str, standing_id: str) -> HttpResponseBase:
    """Extend a standing or end it, with a reason."""
    actor, now = find_actor(request), utc_now()
    organisation = get_organisation(actor=actor, organisation_id=organisation_id)
    standing = get_standing(actor=actor, organisation_id=organisation_id, standing_id=standing_id, now=now)
    least = max(now.date(), standing.starts_on)
    form = EndForm(request.POST or None, least=least, initial={"ends_on": standing.ends_on})
    if request.method == "POST" and form.is_valid():
        end_standing(
            actor=actor,
            organisation_id=organisation_id,
            standing_id=standing_id,
            ends_on=form.cleaned_data["ends_on"],
            reason=form.cleaned_data["reason"],
            now=now,
        )
        messages.success(request, gettext("The end is changed, and the record keeps why."))
        return redirect("desk_standings", organisation_id=organisation_id)
    context = {"organisation": organisation, "standing": standing, "form": form}
    return render_form(request, "members/desk_standing_end.html", context, is_refused=bool(form.errors))


def _render_desk(request: HttpRequest, organisation_id: str, form: GrantForm) -> HttpResponseBase:
    actor, now = find_actor(request), utc_now()
    context = {
        "organisation": get_organisation(actor=actor, organisation_id=organisation_id),
        "page": list_standings(
            actor=actor,
            organisation_id=organisation_id,
            cursor=request.GET.get("cursor"),
            limit=STANDINGS_SHOWN,
            now=now,
        ),
        "asked": list_open_applications(actor=actor, organisation_id=organisation_id),
        "form": form,
        "today": now.date(),
    }
    return render_form(request, "members/desk_standings.html", context, is_refused=bool(form.errors))
