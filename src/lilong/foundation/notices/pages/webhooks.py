"""Pages of webhooks: those of the organisation, one with its deliveries, its secret once, and what is done to them."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from lilong.common.django.once import KeyForm, keep_for_showing, new_key, take_for_showing
from lilong.common.django.people import find_actor, for_member
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.time import utc_now
from lilong.foundation.notices.core.endpoints import URL_MAX, read_endpoint
from lilong.foundation.notices.pages.words import say_problem
from lilong.foundation.notices.queries.kinds import list_offered_kinds, load_kinds
from lilong.foundation.notices.queries.undelivered import TroubledWebhook
from lilong.foundation.notices.queries.webhooks import DeliveryView, WebhookView, get_webhook, list_deliveries
from lilong.foundation.notices.queries.webhooks import list_webhooks as list_own_webhooks
from lilong.foundation.notices.services.webhooks import (
    MANAGERS,
    TEST_KIND,
    WEBHOOKS_MAX,
    NewSecret,
    delete_webhook,
    enable_webhook,
    register_webhook,
    rotate_secret,
    send_again,
    send_test,
)

DELIVERIES_SHOWN = 25


def say_kind(code: str) -> str:
    """Return what a kind of notice is called in the reader's language; of one that is not known, the code."""
    if code == TEST_KIND:
        return gettext("Test")
    kind = load_kinds().get(code)
    language = "zh-hans" if (get_language() or "").startswith("zh") else "en"
    return kind.title[language] if kind else code


def _list_offered() -> list[tuple[str, str]]:
    offered = (kind.code for kind in list_offered_kinds().values() if not kind.is_security)
    return [(code, say_kind(code)) for code in sorted(offered)]


class WebhookForm(KeyForm):
    """A webhook to add."""

    url = forms.CharField(
        label=_("Address"),
        help_text=_(
            "An https address with a name, such as https://hooks.example.org/lilong. It has to be reachable from the "
            "public internet: nothing is sent to private or local addresses, and no redirect is followed."
        ),
        max_length=URL_MAX,
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )
    kinds = forms.MultipleChoiceField(
        label=_("Which notices"), choices=_list_offered, widget=forms.CheckboxSelectMultiple(attrs={"class": "many"})
    )

    def clean_url(self) -> str:
        """Refuse what can be no endpoint, and say why beside the field."""
        url: str = self.cleaned_data["url"]
        endpoint = read_endpoint(url=url)
        if isinstance(endpoint, str):
            raise forms.ValidationError(say_problem(endpoint))
        return url


def may_manage(actor: Actor) -> bool:
    """Say whether the actor may see and change the webhooks of its organisation."""
    return may(actor, roles=MANAGERS, scope=Scope.MANAGE).allowed


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_webhooks(request: HttpRequest) -> HttpResponseBase:
    """List the organisation's webhooks, and add one; a form that is sent twice adds one."""
    actor, now = _require_manager(request), utc_now()
    form = WebhookForm(request.POST or None, initial={"key": new_key()})
    if request.method == "POST" and form.is_valid():
        if form.is_first(request):
            said = form.cleaned_data
            return _show_next(request, register_webhook(actor=actor, url=said["url"], kinds=said["kinds"], now=now))
        return _go_to_made(actor, url=form.cleaned_data["url"])
    rows = list_own_webhooks(actor=actor, cursor=None, limit=WEBHOOKS_MAX).items
    context = {
        "rows": [(row, find_state(row), [say_kind(code) for code in row.kinds]) for row in rows],
        "has_room": len(rows) < WEBHOOKS_MAX,
        "limit": WEBHOOKS_MAX,
        "form": form,
        "now": now,
    }
    return render(request, "notices/webhooks.html", context)


@require_safe
@for_member
def show_webhook(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """Show a webhook and what was sent to it, newest first."""
    actor = _require_manager(request)
    webhook = get_webhook(actor=actor, webhook_id=webhook_id)
    page = list_deliveries(actor=actor, webhook_id=webhook_id, cursor=request.GET.get("cursor"), limit=DELIVERIES_SHOWN)
    context = {
        "webhook": webhook,
        "state": find_state(webhook),
        "why_off": say_problem(webhook.disabled_because),
        "kinds": [say_kind(code) for code in webhook.kinds],
        "page": page,
        "rows": [_view_row(delivery) for delivery in page.items],
        "key_form": KeyForm(initial={"key": new_key()}),
        "now": utc_now(),
    }
    return render(request, "notices/webhook.html", context)


@never_cache
@require_GET  # no HEAD: it would use up what is shown once
@for_member
def show_secret(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """Show the secret that was made just now, this once."""
    webhook = get_webhook(actor=_require_manager(request), webhook_id=webhook_id)
    made = take_for_showing(request, name=webhook_id, now=utc_now())
    return render(request, "notices/webhook_secret.html", {"webhook": webhook, "made": made})


@require_POST
@for_member
def rotate(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """Make a new secret: once for each page, since with a second the one in use would sign no more."""
    actor = find_actor(request)
    form = KeyForm(request.POST)
    if not form.is_valid() or not form.is_first(request):
        return redirect("webhook_secret", webhook_id=webhook_id)
    return _show_next(request, rotate_secret(actor=actor, webhook_id=webhook_id, now=utc_now()))


@require_POST
@for_member
def enable(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """Switch a webhook on again."""
    enable_webhook(actor=find_actor(request), webhook_id=webhook_id)
    messages.success(request, gettext("It is on. What was not delivered can be sent again."))
    return redirect("webhook", webhook_id=webhook_id)


@require_POST
@for_member
def test(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """Send a notice that tells nothing."""
    send_test(actor=find_actor(request), webhook_id=webhook_id, now=utc_now())
    messages.success(request, gettext("A test is on its way. Load this page again in a few seconds."))
    return redirect("webhook", webhook_id=webhook_id)


@require_POST
@for_member
def try_again(request: HttpRequest, webhook_id: str, delivery_id: str) -> HttpResponseBase:
    """Send a delivery once more."""
    send_again(actor=find_actor(request), webhook_id=webhook_id, delivery_id=delivery_id, now=utc_now())
    messages.success(request, gettext("It is sent again, under the same id. Load this page again in a few seconds."))
    return redirect("webhook", webhook_id=webhook_id)


@require_POST
@for_member
def remove(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """Send nothing to a webhook any more."""
    delete_webhook(actor=find_actor(request), webhook_id=webhook_id, now=utc_now())
    messages.success(request, gettext("The webhook is removed; nothing is sent there any more."))
    return redirect("webhooks")


def find_state(webhook: WebhookView | TroubledWebhook) -> str:
    """Return the code of how a webhook stands: on, failing or off."""
    if webhook.disabled_at:
        return "off"
    return "failing" if webhook.failing_since else "on"


def _view_row(delivery: DeliveryView) -> dict[str, object]:
    state = "delivered" if delivery.delivered_at else "given_up" if delivery.given_up_at else "waiting"
    tries = [{"tried": each, "problem": say_problem(each.problem)} for each in reversed(delivery.tries)]
    return {
        "delivery": delivery,
        "kind": say_kind(delivery.kind),
        "state": state,
        "tries": tries,
        "earlier": tries[1:],
    }


def _show_next(request: HttpRequest, made: NewSecret) -> HttpResponseBase:
    keep_for_showing(request, name=made.webhook_id, shown={"secret": made.secret}, now=utc_now())
    return redirect("webhook_secret", webhook_id=made.webhook_id)


def _go_to_made(actor: Actor, *, url: str) -> HttpResponseBase:
    """Lead to where the secret of what the first sending of a form made is shown, once it is made."""
    rows = list_own_webhooks(actor=actor, cursor=None, limit=WEBHOOKS_MAX).items
    made_id = next((row.id for row in rows if row.url == url), None)
    return redirect("webhook_secret", webhook_id=made_id) if made_id else redirect("webhooks")


def _require_manager(request: HttpRequest) -> Actor:
    actor = find_actor(request)
    require(may(actor, roles=MANAGERS, scope=Scope.READ))
    return actor
