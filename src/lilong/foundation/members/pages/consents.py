"""Pages of what an organisation consents to, of the questions how it fares, and the operators' export of answers."""

import csv
import io
from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.downloads import send_file
from lilong.common.django.forms import render_form
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.permissions import Scope, may
from lilong.common.time import format_moment, utc_now
from lilong.foundation.members.core.consent import ANSWER_MAX, OUTCOME_QUESTIONS, RoundState, Wording
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.queries.consents import (
    RoundView,
    list_consents,
    list_outcomes,
    list_rounds,
    load_consent_terms,
    load_outcome_rule,
)
from lilong.foundation.members.services.consents import answer_outcomes, export_outcomes, set_consents

COLUMNS = ("organisation_id", "organisation_kind", "round", "question", "version", "number", "answered_at")


def say_wording(wording: Wording) -> str:
    """Return a published text in the reader's language."""
    return wording.zh if (get_language() or "").startswith("zh") else wording.en


class ConsentForm(forms.Form):
    """One question a use, off unless said otherwise, in the words of one version."""

    version = forms.CharField(max_length=16, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        for code, use in load_consent_terms().uses.items():
            self.fields[code] = forms.BooleanField(
                label=say_wording(use.title), help_text=say_wording(use.text), required=False
            )

    def list_agreed(self) -> list[str]:
        """Return the uses that a valid form says yes to."""
        return [use for use in load_consent_terms().uses if self.cleaned_data[use]]


class OutcomeForm(forms.Form):
    """The questions of a round; each may be left out."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        for code, question in load_outcome_rule().questions.items():
            self.fields[code] = forms.IntegerField(
                label=say_wording(question),
                min_value=0,
                max_value=ANSWER_MAX,
                required=False,
                widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
            )


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_consents(request: HttpRequest) -> HttpResponseBase:
    """Show what is asked and answered, and take new answers."""
    actor, now, terms = find_actor(request), utc_now(), load_consent_terms()
    form = ConsentForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        set_consents(actor=actor, version=form.cleaned_data["version"], uses=form.list_agreed(), now=now)
        messages.success(request, gettext("Your answers hold from now on. You can change them at any time."))
        return redirect("own_consents")
    consents = list_consents(actor=actor)
    held = {each.use for each in consents if each.withdrawn_at is None and each.version == terms.version}
    rounds = list_rounds(actor=actor, now=now)
    rule = load_outcome_rule()
    context = {
        "form": form or ConsentForm(initial={"version": terms.version} | dict.fromkeys(held, True)),
        "consents": [(say_wording(terms.uses[each.use].title), each) for each in consents if each.use in terms.uses],
        "terms": terms,
        "is_asked": OUTCOME_QUESTIONS in held,
        "rounds": [(say_wording(rule.rounds[each.code].title), each) for each in rounds],
        "may_answer": may(actor, roles=MANAGERS, scope=Scope.MANAGE).allowed,
        "now": now,
    }
    return render(request, "members/consents.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def answer(request: HttpRequest, round_code: str) -> HttpResponseBase:
    """Show the questions of a round, and take answers."""
    actor, now = find_actor(request), utc_now()
    asked = _find_round(list_rounds(actor=actor, now=now), round_code)
    said = {question: given.number for question, given in asked.answers.items()} if asked else {}
    form = OutcomeForm(request.POST or None, initial=said)
    if request.method == "POST" and form.is_valid():
        answer_outcomes(actor=actor, round_code=round_code, answers=form.cleaned_data, now=now)
        messages.success(request, gettext("Thank you. You can change your answers until the round is over."))
        return redirect("own_consents")
    context = {"form": form, "round": asked, "may_answer": may(actor, roles=MANAGERS, scope=Scope.MANAGE).allowed}
    return render_form(request, "members/outcomes.html", context, is_refused=bool(form.errors))


@require_safe
@for_member
def export_own(request: HttpRequest) -> HttpResponseBase:
    """Send an organisation everything that it agreed to and answered."""
    actor = find_actor(request)
    said = {
        "organisation_id": actor.organisation_id,
        "consents": [asdict(each) for each in list_consents(actor=actor)],
        "outcomes": [asdict(each) for each in list_outcomes(actor=actor)],
    }
    response = JsonResponse(said, json_dumps_params={"indent": 2})
    response["Content-Disposition"] = 'attachment; filename="consents.json"'
    return response


@require_POST
@for_operator
def export_answers(request: HttpRequest) -> HttpResponseBase:
    """Send an operator the answers of those who consent, as CSV."""
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS)
    table.writeheader()
    for each in export_outcomes(actor=find_actor(request), now=utc_now()):
        table.writerow(asdict(each) | {"answered_at": format_moment(each.answered_at)})
    content = written.getvalue().encode()
    return send_file(
        chunks=[content], size_bytes=len(content), filename="outcomes.csv", media_type="text/csv; charset=utf-8"
    )


def _find_round(rounds: list[RoundView], code: str) -> RoundView | None:
    """Return a round that can be answered today."""
    return next((each for each in rounds if each.code == code and each.state is RoundState.OPEN), None)
