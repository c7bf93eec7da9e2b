"""The page on which an organisation asks to be something more at the hub, or for longer."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from lilong.common.django.forms import render_form
from lilong.common.django.people import find_actor, for_member
from lilong.common.time import utc_now
from lilong.foundation.cases.core.standings import STANDING_CASE
from lilong.foundation.cases.pages.forms import REASON_MAX
from lilong.foundation.cases.queries import load_terms
from lilong.foundation.cases.services.standings import ask_for_standing, list_offers, load_standing_rule
from lilong.foundation.members.public import StandingKind
from lilong.foundation.members.public.standings import may_apply


class AskForm(forms.Form):
    """What an organisation asks to be, and why."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in StandingKind], widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why?"),
        help_text=_("Whoever decides reads it: what you plan, and for how long."),
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def ask(request: HttpRequest) -> HttpResponseBase:
    """Show what each standing needs, and open the case of the one that is asked for."""
    actor, now = find_actor(request), utc_now()
    form = AskForm(request.POST or None, initial={"kind": request.GET.get("kind", "")})
    if request.method == "POST" and form.is_valid():
        kind, reason = StandingKind(form.cleaned_data["kind"]), form.cleaned_data["reason"]
        case_id = ask_for_standing(actor=actor, kind=kind, reason=reason, now=now)
        messages.success(request, gettext("You have applied. This page shows until when it is decided."))
        return redirect("case", case_id=case_id)
    offers = list_offers(actor=actor, now=now)
    chosen = form["kind"].value()
    context = {
        "offers": offers,
        "chosen": next((offer for offer in offers if offer.kind.value == chosen), None),
        "rule": load_standing_rule().published,
        "terms": load_terms().of(STANDING_CASE),
        "form": form,
        "may_ask": may_apply(actor=actor).allowed,
        "now": now,
    }
    return render_form(request, "cases/ask_standing.html", context, is_refused=bool(form.errors))
