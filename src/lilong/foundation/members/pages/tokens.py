"""Pages of API tokens: those that live, making one whose secret is shown once, and ending one."""

from collections.abc import Collection
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from lilong.common.django.once import KeyForm, keep_for_showing, new_key, take_for_showing
from lilong.common.django.people import find_actor, for_member
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.core.tokens import read_scopes
from lilong.foundation.members.pages.words import SCOPES
from lilong.foundation.members.queries import list_tokens
from lilong.foundation.members.services.tokens import create_token, revoke_token

TOKENS_SHOWN = 50
DAY_S = 24 * 3600
LIVES = ((1, _("1 day")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year")))
LIFE_DAYS = 90
MADE = "token"


class TokenForm(KeyForm):
    """A token to make, with none but the maker's own scopes."""

    name = forms.CharField(
        label=_("What it is for"),
        help_text=_("Such as the name of the machine or program; it stands in the list."),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        help_text=_("It can never do more than your role allows at the time."),
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(label=_("How long it lives"), choices=LIVES, coerce=int, initial=LIFE_DAYS)

    def __init__(self, *args: Any, own: frozenset[Scope], **options: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*args, **options)
        scopes = cast("forms.MultipleChoiceField", self.fields["scopes"])
        scopes.choices = [(scope, f"{scope}: {label}") for scope, label in _label(own)]


def _label(scopes: Collection[Scope]) -> list[tuple[str, object]]:
    """Return these scopes in their order, each with what it lets one do."""
    return [(scope.value, SCOPES[scope]) for scope in Scope if scope in scopes]


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_tokens(request: HttpRequest) -> HttpResponseBase:
    """List live tokens, and make one; a form that is sent twice makes one token."""
    actor, now = find_actor(request), utc_now()
    form = TokenForm(request.POST or None, own=actor.scopes, initial={"key": new_key(), "scopes": [Scope.READ]})
    if request.method == "POST" and form.is_valid():
        if form.is_first(request):
            said = form.cleaned_data
            made = create_token(
                actor=actor,
                name=said["name"],
                scopes=[Scope(scope) for scope in said["scopes"]],
                expires_in_s=said["days"] * DAY_S,
                now=now,
            )
            shown = {"name": said["name"], "secret": made.secret}
            keep_for_showing(request, name=MADE, shown=shown, now=now)
        return redirect("token_made")
    page = list_tokens(actor=actor, cursor=request.GET.get("cursor"), limit=TOKENS_SHOWN, now=now)
    context = {
        "page": page,
        "rows": [(token, _label(read_scopes(token.scopes))) for token in page.items],
        "manages": actor.role in MANAGERS,
        "form": form,
        "now": now,
    }
    return render(request, "members/tokens.html", context)


@never_cache
@require_GET  # no HEAD: it would use up what is shown once
@for_member
def show_token_made(request: HttpRequest) -> HttpResponseBase:
    """Show the secret of the token that was made just now, this once."""
    return render(request, "members/token_made.html", {"made": take_for_showing(request, name=MADE, now=utc_now())})


@require_POST
@for_member
def end_token(request: HttpRequest, token_id: str) -> HttpResponseBase:
    """End a token of one's own or, for who manages the organisation, anybody's there."""
    revoke_token(actor=find_actor(request), token_id=token_id, now=utc_now())
    messages.success(request, gettext("The token no longer works."))
    return redirect("tokens")
