"""Where operators add and withdraw claims."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.time import utc_now
from lilong.platforms.stack.core.checks import (
    COMMIT_MAX,
    CONDITIONS_MAX,
    NOTE_MAX,
    TITLE_MAX,
    URL_MAX,
    VALUE_MAX,
    ClaimInvalid,
    Draft,
    check_draft,
)
from lilong.platforms.stack.core.claims import Confidence, Source, Tier
from lilong.platforms.stack.core.properties import PROPERTIES as KNOWN
from lilong.platforms.stack.models import REASON_MAX
from lilong.platforms.stack.pages.words import CONFIDENCES, PROPERTIES, TIER_CHOICES
from lilong.platforms.stack.queries import get_accelerator, get_claim
from lilong.platforms.stack.services import add_claim, withdraw_claim

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


def _name_property(code: str) -> str:
    unit = KNOWN[code].unit
    return f"{PROPERTIES[code]} ({unit})" if unit else str(PROPERTIES[code])


def _list_properties() -> list[tuple[str, str]]:
    return [(code, _name_property(code)) for code in KNOWN]


WRONG: "Mapping[str, _StrOrPromise]" = {
    "claim.value_number": _("Write a number above 0 without its unit, such as 80 or 1390.5."),
    "claim.value_year": _("Write a year, such as 2024."),
    "claim.value_country": _("Write the country by two capitals, such as CN."),
    "claim.value_text": _("Write one line."),
    "claim.text": _("Write one line."),
    "claim.source": _("Name the source."),
    "claim.source_url": _("Write an address that begins with https:// or http://."),
    "claim.source_commit": _("Write the 7 to 64 hexadecimal digits of a commit."),
    "claim.source_date": _("The source cannot be of a day to come."),
}
"""What the form says of a field that the core refuses."""


class ClaimForm(forms.Form):
    """A claim with its source."""

    property = forms.ChoiceField(label=_("Property"), choices=_list_properties)
    value = forms.CharField(
        label=_("Value"), help_text=_("A number without its unit, or a name."), max_length=VALUE_MAX
    )
    conditions = forms.CharField(
        label=_("Holds for"),
        help_text=_("Such as a variant, a precision or a batch size. Left out, it holds for the accelerator as such."),
        required=False,
        max_length=CONDITIONS_MAX,
    )
    tier = forms.ChoiceField(label=_("Who says it"), choices=list(TIER_CHOICES.items()), initial=Tier.OPERATOR)
    confidence = forms.ChoiceField(
        label=_("How sure you are"), choices=list(CONFIDENCES.items()), initial=Confidence.MEDIUM
    )
    source_title = forms.CharField(label=_("Source"), max_length=TITLE_MAX)
    source_url = forms.CharField(label=_("Its address"), required=False, max_length=URL_MAX)
    source_commit = forms.CharField(
        label=_("Its commit"), help_text=_("Where it is a repository."), required=False, max_length=COMMIT_MAX
    )
    source_dated_on = DayField(label=_("Its date"), help_text=_("Left out where it bears none."), required=False)
    note = forms.CharField(label=_("Note"), required=False, max_length=NOTE_MAX)

    def clean(self) -> dict[str, Any]:
        """Ask of each field what the core asks of it."""
        if not self.errors:
            try:
                check_draft(draft=self.to_draft(), today=utc_now().date())
            except ClaimInvalid as refusal:
                for field in refusal.fields:
                    self.add_error(field.path, WRONG.get(field.code, field.message))
        return self.cleaned_data

    def to_draft(self) -> Draft:
        """Return what was written as the core knows it."""
        given = self.cleaned_data
        return Draft(
            property=given["property"],
            value=given["value"],
            conditions=given["conditions"],
            tier=Tier(given["tier"]),
            confidence=Confidence(given["confidence"]),
            source=Source(
                title=given["source_title"],
                url=given["source_url"],
                commit=given["source_commit"],
                dated_on=given["source_dated_on"],
            ),
            note=given["note"],
        )


class WithdrawalForm(forms.Form):
    """Why a claim is withdrawn."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Everybody reads it on the page of the accelerator, and the record keeps it."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def add(request: HttpRequest, name: str) -> HttpResponseBase:
    """Add a claim about an accelerator."""
    accelerator = get_accelerator(name=name)
    form = ClaimForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        add_claim(actor=find_actor(request), name=name, draft=form.to_draft(), now=utc_now())
        messages.success(request, gettext("Added, and the record keeps who claims it."))
        return redirect("accelerator", name=accelerator.id)
    context = {"accelerator": accelerator, "form": form}
    return render_form(request, "stack/claim_add.html", context, is_refused=bool(form.errors))


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def withdraw(request: HttpRequest, claim_id: str) -> HttpResponseBase:
    """Withdraw a claim, with a reason."""
    actor = find_actor(request)
    view = get_claim(actor=actor, claim_id=claim_id)
    form = WithdrawalForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        withdraw_claim(actor=actor, claim_id=claim_id, reason=form.cleaned_data["reason"], now=utc_now())
        messages.success(request, gettext("Withdrawn; it stays to be read with your reason."))
        return redirect("accelerator", name=view.claim.accelerator)
    context = {
        "accelerator": get_accelerator(name=view.claim.accelerator),
        "view": view,
        "property": PROPERTIES[view.claim.property],
        "unit": KNOWN[view.claim.property].unit,
        "form": form,
    }
    return render_form(request, "stack/claim_withdraw.html", context, is_refused=bool(form.errors))
