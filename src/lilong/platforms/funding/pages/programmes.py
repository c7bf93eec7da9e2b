"""The page that says what each programme would pay an organisation, why or why not, and takes what rules ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_member
from lilong.common.permissions import Scope, may
from lilong.common.time import utc_now
from lilong.platforms.funding.core.rules import HEAD_COUNT_MAX, Purpose
from lilong.platforms.funding.pages.words import (
    ACCELERATORS,
    CLAW_BACKS,
    EARMARKS,
    PROVIDERS,
    PURPOSES,
    say_decision,
    say_refusal,
    say_ways,
    say_words,
)
from lilong.platforms.funding.queries.claw_backs import list_claw_backs
from lilong.platforms.funding.queries.entitlement import (
    Entitlement,
    find_declaration,
    list_decisions,
    list_entitlements,
)
from lilong.platforms.funding.services.declarations import DECLARERS, DeclarationInvalid, declare_facts

DECISIONS_SHOWN = 10
CLAW_BACKS_SHOWN = 10


class DeclarationForm(forms.Form):
    """What voucher rules ask of an organisation; all of it may be left out."""

    country = forms.RegexField(
        r"^[A-Za-z]{2}$",
        label=_("Country of registration"),
        help_text=_("Two letters, such as CN."),
        required=False,
        widget=forms.TextInput(attrs={"size": 2, "maxlength": 2}),
        error_messages={"invalid": _("It must be two letters, such as CN.")},
    )
    founded_on = DayField(
        label=_("Founded on"),
        help_text=_("Without it, your age counts from your application here."),
        required=False,
    )
    head_count = forms.IntegerField(
        label=_("People who work there"),
        min_value=0,
        max_value=HEAD_COUNT_MAX,
        required=False,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    purposes = forms.MultipleChoiceField(
        label=_("What you use computing power for"),
        choices=[(purpose.value, PURPOSES[purpose]) for purpose in Purpose],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


@dataclass(frozen=True, slots=True)
class PaysRow:
    """What a programme pays on offers of one origin, in words. ways: what would make it pass."""

    origin: str
    rate_ppm: int
    why: str
    ways: Sequence[str]


@dataclass(frozen=True, slots=True)
class ProgrammeRow:
    """A programme in words."""

    entitlement: Entitlement
    name: str
    purpose: str
    earmark: str
    pays: Sequence[PaysRow]
    claw_back: str


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_programmes(request: HttpRequest) -> HttpResponseBase:
    """Show what each programme says of the organisation, and take what it declares."""
    actor, now = find_actor(request), utc_now()
    form = DeclarationForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        try:
            declare_facts(actor=actor, **_read(form.cleaned_data), now=now)
        except DeclarationInvalid as refusal:
            for problem in refusal.fields:
                form.add_error(problem.path, gettext(problem.message))
        else:
            messages.success(request, gettext("Declared. Programmes look at it from now on."))
            return redirect("own_programmes")
    declared = find_declaration(organisation_id=actor.organisation_id)
    context = {
        "rows": [_put(each) for each in list_entitlements(actor=actor, declared=declared, now=now)],
        "decisions": [
            (each, " ".join(say_decision(each)))
            for each in list_decisions(actor=actor, cursor=None, limit=DECISIONS_SHOWN).items
        ],
        "claw_backs": [
            (each, CLAW_BACKS[each.reason])
            for each in list_claw_backs(actor=actor, cursor=None, limit=CLAW_BACKS_SHOWN).items
            if each.organisation_id == actor.organisation_id
        ],
        "form": form or DeclarationForm(initial=_write(declared)),
        "declared": declared,
        "may_declare": may(actor, roles=DECLARERS, scope=Scope.MANAGE).allowed,
        "now": now,
    }
    return render_form(request, "funding/programmes.html", context, is_refused=bool(form and form.errors))


def _read(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "country": said["country"].upper(), "purposes": [Purpose(each) for each in said["purposes"]]}


def _write(declared: object) -> dict[str, Any]:
    return {name: getattr(declared, name, None) for name in DeclarationForm.base_fields}


def _put(entitlement: Entitlement) -> ProgrammeRow:
    rule = entitlement.rule
    asks_provider = len({each.provider for each in entitlement.pays}) > 1
    asks_accelerator = len({each.accelerator for each in entitlement.pays}) > 1
    rows = []
    for pays in entitlement.pays:
        origins = [
            *([str(ACCELERATORS[pays.accelerator])] if asks_accelerator else []),
            *([str(PROVIDERS[pays.provider])] if asks_provider else []),
        ]
        rows.append(
            PaysRow(
                origin=" · ".join(origins) or gettext("All offers"),
                rate_ppm=pays.rate_ppm,
                why=say_refusal(pays.refused) if pays.refused else "",
                ways=say_ways(pays.refused) if pays.refused else (),
            )
        )
    return ProgrammeRow(
        entitlement=entitlement,
        name=say_words(rule.about.name) if rule.about else entitlement.programme_name,
        purpose=say_words(rule.about.purpose) if rule.about else "",
        earmark=str(EARMARKS[rule.earmark]),
        pays=rows,
        claw_back=gettext(", ").join(str(CLAW_BACKS[each]) for each in rule.claw_back.reasons)
        if rule.claw_back
        else "",
    )
