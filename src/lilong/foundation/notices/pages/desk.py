"""The operators' page of what did not arrive: mails with why not and trying again, and webhooks that fail."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.desks import Panel, Waiting
from lilong.common.django.people import find_actor, for_operator
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.members.public.mails import StuckMails, list_refused_mails, measure_mails
from lilong.foundation.notices.pages.webhooks import find_state, say_kind
from lilong.foundation.notices.pages.words import say_problem
from lilong.foundation.notices.queries.undelivered import (
    TroubledWebhook,
    count_undelivered_mails,
    list_troubled_webhooks,
    list_undelivered_mails,
)
from lilong.foundation.notices.services.mails import retry_mail

MAILS_SHOWN = 25
WEBHOOKS_SHOWN = 25
REFUSED_SHOWN = 10
REASONS = ("late", "waiting", "dead", "refused")
"""Why mails do not arrive, most urgent first."""


@require_safe
@for_operator
def show_undelivered(request: HttpRequest) -> HttpResponseBase:
    """List mails that were given up or wait for long, the mails of signing in as a sum, and webhooks that fail."""
    actor, now = find_actor(request), utc_now()
    mails = list_undelivered_mails(actor=actor, cursor=request.GET.get("cursor"), limit=MAILS_SHOWN, now=now)
    refused = list_refused_mails(actor=actor, cursor=request.GET.get("refused"), limit=REFUSED_SHOWN)
    webhooks = list_troubled_webhooks(actor=actor, cursor=request.GET.get("webhooks"), limit=WEBHOOKS_SHOWN)
    context = {
        "mails": [(mail, say_kind(mail.kind)) for mail in mails.items],
        "mails_cursor": mails.next_cursor,
        "signing_in": measure_mails(),
        "refused": refused,
        "webhooks": [_view_webhook(webhook) for webhook in webhooks.items],
        "webhooks_cursor": webhooks.next_cursor,
        "now": now,
    }
    return render(request, "notices/undelivered.html", context)


@require_POST
@for_operator
def retry(request: HttpRequest, mail_id: str) -> HttpResponseBase:
    """Let a mail that was given up be sent again."""
    retry_mail(actor=find_actor(request), mail_id=mail_id, now=utc_now())
    messages.success(request, _("It is sent again within seconds. If the server does not take it, it stays here."))
    return redirect("desk_undelivered")


def build_panel(*, actor: Actor, now: datetime) -> Panel:
    """Return how many mails do not arrive, by what can be done about them. One query."""
    stuck = count_undelivered_mails(actor=actor, now=now)
    page = reverse("desk_undelivered")
    return Panel(
        name="undelivered",
        title=gettext_lazy("Mails that do not arrive"),
        calm=gettext_lazy("Mail servers take what the hub sends."),
        next_step=gettext_lazy("Read what the mail server says and mend its cause; what waits is sent by itself then."),
        href=page,
        label=gettext_lazy("All that is undelivered"),
        items=[_say_stuck(each, page) for each in sorted(stuck, key=lambda each: REASONS.index(each.reason))],
        count=sum(each.count for each in stuck),
    )


def _say_stuck(stuck: StuckMails, page: str) -> Waiting:
    texts = {
        "late": ngettext("%(n)s mail of signing in waits", "%(n)s mails of signing in wait", stuck.count),
        "waiting": ngettext("%(n)s mail of a notice waits", "%(n)s mails of notices wait", stuck.count),
        "dead": ngettext("%(n)s mail of a notice was given up", "%(n)s mails of notices were given up", stuck.count),
        "refused": ngettext(
            "%(n)s mail of signing in was refused", "%(n)s mails of signing in were refused", stuck.count
        ),
    }
    abouts = {
        "late": _("somebody cannot sign in"),
        "waiting": _("for more than an hour"),
        "dead": _("in the last seven days"),
        "refused": _("in the last day"),
    }
    titles = {"late": "signing-in-title", "refused": "refused-title"}
    return Waiting(
        text=texts[stuck.reason] % {"n": stuck.count},
        about=abouts[stuck.reason],
        href=f"{page}#{titles.get(stuck.reason, 'mails-title')}",
        at=stuck.oldest_at,
    )


def _view_webhook(webhook: TroubledWebhook) -> dict[str, object]:
    last = webhook.last_try
    return {
        "webhook": webhook,
        "state": find_state(webhook),
        "last": {"tried": last, "problem": say_problem(last.problem)} if last else None,
    }
