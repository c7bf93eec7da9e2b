"""The desk's page of audit packs: ask for one of a closed period, and download it when it is ready."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.downloads import send_file
from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.django.sentences import tell
from lilong.common.errors import LilongError
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.ledger.public.moves import find_closed_until
from lilong.platforms.audit.queries import get_pack, list_packs, open_pack
from lilong.platforms.audit.services.packs import request_pack

PACKS_SHOWN = 25


class PackForm(forms.Form):
    """The period."""

    begins_on = DayField(label=_("First day, of UTC"))
    ends_on = DayField(label=_("Day after the last"))

    def ask(self, *, actor: Actor, now: datetime) -> bool:
        """Ask for the pack; what refuses it becomes an error of the form."""
        try:
            period = DayPeriod(begins_on=self.cleaned_data["begins_on"], ends_on=self.cleaned_data["ends_on"])
            request_pack(actor=actor, period=period, now=now)
        except LilongError as refusal:
            self.add_error(None, f"{tell(refusal.title)}. {tell(refusal.detail)} {tell(refusal.next_step)}".strip())
            return False
        return True


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_packs(request: HttpRequest) -> HttpResponseBase:
    """List packs, and take the period of another."""
    actor, now = find_actor(request), utc_now()
    closed_until = find_closed_until()
    form = PackForm(request.POST or None, initial=_find_last_month(closed_until))
    if form.is_bound and form.is_valid() and form.ask(actor=actor, now=now):
        messages.success(request, gettext("The pack is being made. Come back in a moment."))
        return redirect("desk_packs")
    page = list_packs(actor=actor, cursor=request.GET.get("cursor"), limit=PACKS_SHOWN, now=now)
    context: dict[str, Any] = {"form": form, "page": page, "closed_until": closed_until, "now": now}
    return render_form(request, "audit/packs.html", context, is_refused=form.is_bound)


@require_safe
@for_operator
def download_pack(request: HttpRequest, pack_id: str) -> HttpResponseBase:
    """Send a pack."""
    actor, now = find_actor(request), utc_now()
    pack = get_pack(actor=actor, pack_id=pack_id, now=now)
    reader = open_pack(actor=actor, pack_id=pack_id, now=now)
    name = f"audit-{pack.begins_on}-{pack.ends_on}.zip"
    return send_file(chunks=reader.chunks, size_bytes=reader.size_bytes, filename=name, media_type="application/zip")


def _find_last_month(closed_until: datetime | None) -> dict[str, date]:
    """Return the last month that is closed as a whole, or nothing."""
    if closed_until is None:
        return {}
    ends_on = closed_until.date().replace(day=1)
    return {"begins_on": (ends_on - timedelta(days=1)).replace(day=1), "ends_on": ends_on}
