"""The operators' page of dead letters: what could not be delivered, why, and trying it again."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.desks import SHOWN_MAX, Panel, Waiting
from lilong.common.django.people import find_actor, for_operator
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.outbox.queries import list_dead_letters
from lilong.foundation.outbox.services.deliveries import retry_dead_letter

LETTERS_SHOWN = 25


@require_safe
@for_operator
def show_letters(request: HttpRequest) -> HttpResponseBase:
    """List deliveries that were given up, oldest first."""
    page = list_dead_letters(actor=find_actor(request), cursor=request.GET.get("cursor"), limit=LETTERS_SHOWN)
    return render(request, "outbox/letters.html", {"page": page, "now": utc_now()})


@require_POST
@for_operator
def retry_letter(request: HttpRequest, delivery_id: str) -> HttpResponseBase:
    """Let one be delivered again."""
    retry_dead_letter(actor=find_actor(request), delivery_id=delivery_id, now=utc_now())
    messages.success(request, _("It is tried again within seconds. If it fails ten times more, it comes back here."))
    return redirect("desk_dead_letters")


def build_panel(*, actor: Actor, now: datetime) -> Panel:  # noqa: ARG001 - a panel is asked at a moment
    """Return the dead letters, oldest first. One query."""
    page = list_dead_letters(actor=actor, cursor=None, limit=SHOWN_MAX)
    href = reverse("desk_dead_letters")
    items = [Waiting(text=row.event.name, about=row.last_error, href=href, at=row.dead_at) for row in page.items]
    return Panel(
        name="letters",
        title=gettext_lazy("Dead letters"),
        calm=gettext_lazy("Every event reached its subscribers."),
        next_step=gettext_lazy("Read the error, mend its cause, then try again."),
        href=href,
        label=gettext_lazy("All dead letters"),
        items=items,
        has_more=page.next_cursor is not None,
    )
