"""Webhooks of an organisation and what was delivered to them."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import prefetch_related_objects

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.notices.models import Webhook, WebhookDelivery


class WebhookMissing(NotFound):
    """There is no such webhook or delivery of the actor's organisation."""

    code = "notices.webhook_missing"
    title = "There is no such webhook"
    next_step = "List them with `lilong webhooks list`."


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView:
    """A webhook as it stands, without its secrets; see the model."""

    id: str
    url: str
    kinds: tuple[str, ...]
    created_at: datetime
    old_secret_until: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: str


@dataclass(frozen=True, slots=True)
class TryView:
    """One try: status of the answer, or the problem that prevented one."""

    at: datetime
    status: int | None
    problem: str
    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One notice on its way to a webhook, with its tries, oldest first. next_at: None when nothing follows."""

    id: str
    kind: str
    subject_id: str
    made_at: datetime
    next_at: datetime | None
    delivered_at: datetime | None
    given_up_at: datetime | None
    tries: tuple[TryView, ...]


def get_webhook(*, actor: Actor, webhook_id: str) -> WebhookView:
    """Return a webhook of the actor's organisation; raises WebhookMissing."""
    return _view(_find(actor, webhook_id))


def list_webhooks(*, actor: Actor, cursor: str | None, limit: int) -> Page[WebhookView]:
    """Return the webhooks of the actor's organisation, newest first."""
    mine = Webhook.objects.visible_to(actor).filter(deleted_at=None)
    page = page_newest_first(mine, cursor=cursor, limit=limit)
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


def list_deliveries(*, actor: Actor, webhook_id: str, cursor: str | None, limit: int) -> Page[DeliveryView]:
    """Return what was sent to a webhook, newest first, with every try of the last 30 days; raises WebhookMissing."""
    webhook = _find(actor, webhook_id)
    rows = WebhookDelivery.objects.filter(webhook=webhook).select_related("notice")
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    prefetch_related_objects(list(page.items), "tries")
    return Page(items=[_view_delivery(row) for row in page.items], next_cursor=page.next_cursor)


def _find(actor: Actor, webhook_id: str) -> Webhook:
    webhook = Webhook.objects.visible_to(actor).filter(id=webhook_id, deleted_at=None).first()
    if webhook is None:
        raise WebhookMissing(
            detail=say("There is no webhook {webhook_id} of your organisation.", webhook_id=webhook_id[:64])
        )
    return webhook


def _view(row: Webhook) -> WebhookView:
    return WebhookView(
        id=row.id,
        url=row.url,
        kinds=tuple(row.kinds),
        created_at=row.created_at,
        old_secret_until=row.old_until,
        failing_since=row.failing_since,
        disabled_at=row.disabled_at,
        disabled_because=row.disabled_because,
    )


def _view_delivery(row: WebhookDelivery) -> DeliveryView:
    tries = sorted(row.tries.all(), key=lambda each: each.id)
    is_waiting = row.delivered_at is None and row.given_up_at is None
    return DeliveryView(
        id=row.id,
        kind=row.notice.kind,
        subject_id=row.notice.subject_id,
        made_at=row.made_at,
        next_at=row.next_at if is_waiting else None,
        delivered_at=row.delivered_at,
        given_up_at=row.given_up_at,
        tries=tuple(
            TryView(at=each.at, status=each.status, problem=each.problem, milliseconds=each.milliseconds)
            for each in tries
        ),
    )
