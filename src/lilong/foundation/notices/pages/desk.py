"""The operators' page of what did not arrive: mails with why not and trying again, and webhooks that fail."""

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.people import find_actor, for_operator
from lilong.common.time import utc_now
from lilong.foundation.members.public.mails import measure_mails
from lilong.foundation.notices.pages.webhooks import find_state, say_kind
from lilong.foundation.notices.pages.words import say_problem
from lilong.foundation.notices.queries.undelivered import (
    TroubledWebhook,
    list_troubled_webhooks,
    list_undelivered_mails,
)
from lilong.foundation.notices.services.mails import retry_mail

MAILS_SHOWN = 25
WEBHOOKS_SHOWN = 25


@require_safe
@for_operator
def show_undelivered(request: HttpRequest) -> HttpResponseBase:
    """List mails that were given up or wait for long, the mails of signing in as a sum, and webhooks that fail."""
    actor, now = find_actor(request), utc_now()
    mails = list_undelivered_mails(actor=actor, cursor=request.GET.get("cursor"), limit=MAILS_SHOWN, now=now)
    webhooks = list_troubled_webhooks(actor=actor, cursor=request.GET.get("webhooks"), limit=WEBHOOKS_SHOWN)
    context = {
        "mails": [(mail, say_kind(mail.kind)) for mail in mails.items],
        "mails_cursor": mails.next_cursor,
        "signing_in": measure_mails(),
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


def _view_webhook(webhook: TroubledWebhook) -> dict[str, object]:
    last = webhook.last_try
    return {
        "webhook": webhook,
        "state": find_state(webhook),
        "last": {"tried": last, "problem": say_problem(last.problem)} if last else None,
    }
