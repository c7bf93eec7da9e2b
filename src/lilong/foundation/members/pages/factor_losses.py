"""A lost second factor: asking for its removal between password and second factor, stopping that, deciding about it."""

from datetime import datetime

from allauth.account.stages import LoginStageController
from allauth.core.internal import ratelimit
from allauth.mfa.stages import AuthenticateStage
from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.desks import SHOWN_MAX, Panel, Waiting
from lilong.common.django.people import find_actor, for_operator, for_person
from lilong.common.errors import Conflict
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.members.core.factor_losses import LossDecision
from lilong.foundation.members.models import Person
from lilong.foundation.members.queries import list_memberships
from lilong.foundation.members.queries.factor_losses import (
    find_open_loss,
    get_loss,
    list_losses,
    list_waiting_losses,
    may_decide_loss,
)
from lilong.foundation.members.services.factor_losses import (
    LossCodeWrong,
    ask_for_removal,
    decide_loss,
    prove_mail,
    stop_loss,
    stop_own_loss,
)

LOSSES_SHOWN = 25
SAID_MAX = 1000
LIMITS = {"factor_loss_code": "3/h/key,20/h/ip", "factor_loss_proof": "15/h/key,60/h/ip"}


class ProofForm(forms.Form):
    """The code that came by mail, and by what an operator can make sure who it is."""

    code = forms.CharField(
        label=_("Code"), max_length=20, widget=forms.TextInput(attrs={"autocomplete": "one-time-code"})
    )
    said = forms.CharField(
        label=_("How can an operator make sure that it is you?"),
        max_length=SAID_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class DecisionForm(forms.Form):
    """Why the second factor goes or stays; the button that sends it says which."""

    decision = forms.ChoiceField(choices=[(each.value, each.value) for each in LossDecision], widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("How you made sure, without naming anybody. The person reads it, and the record keeps it."),
        max_length=SAID_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponseBase:
    """Let who has given the password ask for the removal, and prove to read the mail of the account."""
    stage = LoginStageController.enter(request, AuthenticateStage.key)
    if stage is None:
        return redirect("account_login")
    person: Person = stage.login.user
    form = ProofForm(request.POST if request.POST.get("action") == "prove" else None)
    problem = ""
    if request.method == "POST":
        problem = _prove(request, form, person) if form.is_bound else _send(request, person)
        if not problem and not form.errors:
            return redirect("account_factor_lost")
    context = {"loss": find_open_loss(person_id=person.id), "form": form, "problem": problem, "now": utc_now()}
    return render(request, "members/factor_lost.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Stop a request by the link of a mail; only a button does, for some programs open every link of a mail."""
    if request.method == "POST":
        stop_loss(secret=secret, now=utc_now())
        return render(request, "members/factor_loss_stopped.html")
    return render(request, "members/factor_loss_stop.html")


@require_http_methods(["GET", "HEAD", "POST"])
@for_person
def stop_own(request: HttpRequest) -> HttpResponseBase:
    """Stop the request about who is signed in."""
    if request.method == "POST":
        stop_own_loss(person_id=find_actor(request).person_id, now=utc_now())
        return render(request, "members/factor_loss_stopped.html")
    return render(request, "members/factor_loss_stop.html")


@require_safe
@for_operator
def show_losses(request: HttpRequest) -> HttpResponseBase:
    """List requests, newest first."""
    page = list_losses(actor=find_actor(request), cursor=request.GET.get("cursor"), limit=LOSSES_SHOWN)
    return render(request, "members/desk_factor_losses.html", {"page": page, "now": utc_now()})


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_loss(request: HttpRequest, loss_id: str) -> HttpResponseBase:
    """Show a request and the person that it is about, and decide it."""
    actor, now = find_actor(request), utc_now()
    form = DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        decision = LossDecision(form.cleaned_data["decision"])
        decide_loss(actor=actor, loss_id=loss_id, decision=decision, reason=form.cleaned_data["reason"], now=now)
        messages.success(request, gettext("Decided. All addresses of the person are told."))
        return redirect("desk_factor_loss", loss_id=loss_id)
    loss = get_loss(actor=actor, loss_id=loss_id)
    context = {
        "loss": loss,
        "memberships": list_memberships(person_id=loss.person_id),
        "verdict": may_decide_loss(actor=actor, person_id=loss.person_id),
        "form": form,
        "now": now,
    }
    return render(request, "members/desk_factor_loss.html", context)


def build_panel(*, actor: Actor, now: datetime) -> Panel:  # noqa: ARG001 - a panel is asked at a moment
    """Return the requests that wait for a decision, oldest first. One query."""
    page = list_waiting_losses(actor=actor, cursor=None, limit=SHOWN_MAX)
    items = [
        Waiting(text=loss.name, about=loss.email, href=reverse("desk_factor_loss", args=[loss.id]), at=loss.proven_at)
        for loss in page.items
    ]
    return Panel(
        name="losses",
        title=_("Lost second factors"),
        calm=_("Nobody asks for a removal."),
        next_step=_("Make sure by other means that it is this person, then decide."),
        href=reverse("desk_factor_losses"),
        label=_("All lost second factors"),
        items=items,
        has_more=page.next_cursor is not None,
    )


def _send(request: HttpRequest, person: Person) -> str:
    """Send a code; return what is wrong."""
    if not ratelimit.consume(request, app="lilong", action="factor_loss_code", config=LIMITS, key=person.id):
        return gettext("Too many codes were asked for. Try again in an hour.")
    try:
        ask_for_removal(person_id=person.id, now=utc_now())
    except Conflict:
        return ""  # the page shows how far it has come
    return ""


def _prove(request: HttpRequest, form: ProofForm, person: Person) -> str:
    """Try a code; return what is wrong beyond the fields."""
    if not form.is_valid():
        return ""
    if not ratelimit.consume(request, app="lilong", action="factor_loss_proof", config=LIMITS, key=person.id):
        return gettext("Too many attempts. Try again in an hour.")
    try:
        prove_mail(person_id=person.id, code=form.cleaned_data["code"], said=form.cleaned_data["said"], now=utc_now())
    except LossCodeWrong:
        form.add_error("code", gettext("This code does not fit: it is mistyped, too old, or was tried too often."))
    return ""
