"""Pages of an organisation's secrets: names and times; a value goes in and never comes back."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from lilong.common.django.people import find_actor, for_member
from lilong.common.permissions import Scope, may
from lilong.common.time import utc_now
from lilong.foundation.members.queries import find_missing_secrets, list_secrets
from lilong.foundation.members.services.vault import KEEPERS, SECRETS_MAX, VALUE_MAX_BYTES, delete_secret, put_secret


class _UnreadableTextarea(forms.Textarea):
    """A text that is never written back, whatever else was wrong with its form."""

    def format_value(self, value: object) -> None:  # noqa: ARG002 - Django's signature
        return None


class SecretForm(forms.Form):
    """A secret to keep. replaces: the name of the one that may be replaced, which the list's link says."""

    name = forms.RegexField(
        r"^[A-Z][A-Z0-9_]{0,63}$",
        label=_("Name"),
        help_text=_("Capital letters, digits and underscores, such as HF_TOKEN; a job gets it under this name."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    value = forms.CharField(
        label=_("Value"),
        help_text=_("It is sealed at once. Nobody can read it again, neither here nor over the API."),
        strip=False,
        widget=_UnreadableTextarea(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    replaces = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_value(self) -> str:
        """Give lines the ends that they had before a browser sent them, and refuse what is too long."""
        value: str = self.cleaned_data["value"].replace("\r\n", "\n")
        if len(value.encode()) > VALUE_MAX_BYTES:
            raise forms.ValidationError(gettext("It is longer than 32 KiB."))
        return value


@sensitive_post_parameters("value")
@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_secrets(request: HttpRequest) -> HttpResponseBase:
    """List the names of secrets; keep another, or a new value of one that is there."""
    actor, now = find_actor(request), utc_now()
    named = request.GET.get("name", "")
    form = SecretForm(request.POST or None, initial={"name": named, "replaces": named})
    if request.method == "POST" and form.is_valid():
        said: dict[str, Any] = form.cleaned_data
        is_new = bool(find_missing_secrets(organisation_id=actor.organisation_id, names=[said["name"]]))
        if is_new or said["name"] == said["replaces"]:
            put_secret(actor=actor, name=said["name"], value=said["value"], now=now)
            messages.success(request, gettext("The secret is kept; jobs get this value from now on."))
            return redirect("secrets")
        form.add_error("name", gettext("There is a secret of this name. To replace it, choose Replace beside it."))
    context = {
        "page": list_secrets(actor=actor, cursor=None, limit=SECRETS_MAX),
        "form": form,
        "replaced": form["replaces"].value(),
        "may_keep": may(actor, roles=KEEPERS, scope=Scope.MANAGE).allowed,
        "now": now,
    }
    return render(request, "members/secrets.html", context)


@require_POST
@for_member
def forget_secret(request: HttpRequest, name: str) -> HttpResponseBase:
    """Forget a secret."""
    delete_secret(actor=find_actor(request), name=name)
    messages.success(request, gettext("The secret is forgotten. Jobs that were submitted keep what they got."))
    return redirect("secrets")
