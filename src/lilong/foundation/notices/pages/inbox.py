"""Pages of the inbox: what one was told, and what of it also comes by mail."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.people import find_actor, for_member, read_next
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import Language
from lilong.foundation.notices.queries.inbox import PreferencesView, Shown, count_unread, get_preferences, list_letters
from lilong.foundation.notices.services.inbox import mark_all_read, mark_read, set_preferences

LETTERS_SHOWN = 25
LANGUAGE_NAMES = ((Language.EN, "English"), (Language.ZH_HANS, "简体中文"))


class PreferencesForm(forms.Form):
    """The language of mail, and the kinds of which mail is sent; those of security are not asked about."""

    language = forms.ChoiceField(
        label=_("Language of mail"),
        help_text=_("Pages have their own, chosen above."),
        choices=LANGUAGE_NAMES,
        widget=forms.RadioSelect,
    )
    by_mail = forms.MultipleChoiceField(
        label=_("Also by mail"),
        help_text=_("Everything stands in the inbox. Mail of one kind that comes often is gathered by the hour."),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "many"}),
    )

    def __init__(self, *args: Any, present: PreferencesView, **options: Any) -> None:  # noqa: ANN401 - handed on
        asked = [kind for kind in present.kinds if not kind.is_security]
        chosen = [kind.kind for kind in asked if kind.by_mail]
        super().__init__(*args, **options | {"initial": {"language": present.language, "by_mail": chosen}})
        kinds = cast("forms.MultipleChoiceField", self.fields["by_mail"])
        kinds.choices = [(kind.kind, kind.title) for kind in asked]


@require_safe
@for_member
def show_inbox(request: HttpRequest) -> HttpResponseBase:
    """List what one was told in this organisation, newest first, in the language of the page."""
    actor = find_actor(request)
    shown = Shown.UNREAD if request.GET.get("shown") == Shown.UNREAD else Shown.ALL
    page = list_letters(
        actor=actor, shown=shown, cursor=request.GET.get("cursor"), limit=LETTERS_SHOWN, language=_read_language()
    )
    context = {"page": page, "shown": shown, "unread": count_unread(actor=actor), "now": utc_now()}
    return render(request, "notices/inbox.html", context)


@require_POST
@for_member
def read_one(request: HttpRequest, notice_id: str) -> HttpResponseBase:
    """Note that a notice was read, and go to what it is about, or back."""
    mark_read(actor=find_actor(request), letter_id=notice_id, now=utc_now())
    return redirect(read_next(request, default=reverse("notices")))


@require_POST
@for_member
def read_all(request: HttpRequest) -> HttpResponseBase:
    """Note that all notices were read."""
    mark_all_read(actor=find_actor(request), now=utc_now())
    return redirect("notices")


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_preferences(request: HttpRequest) -> HttpResponseBase:
    """Choose which notices also come by mail, and in which language."""
    actor = find_actor(request)
    present = get_preferences(actor=actor, titles_in=_read_language())
    form = PreferencesForm(request.POST or None, present=present)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        set_preferences(actor=actor, language=Language(said["language"]), by_mail=said["by_mail"])
        messages.success(request, gettext("Kept."))
        return redirect("notice_preferences")
    security = [kind.title for kind in present.kinds if kind.is_security]
    return render(request, "notices/preferences.html", {"form": form, "security": security})


def _read_language() -> Language:
    return Language.ZH_HANS if (get_language() or "").startswith("zh") else Language.EN
