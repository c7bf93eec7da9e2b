"""Deliver notices to webhooks: at least once, with the same id at every try, ever more slowly, for over a day.

A delivery is claimed by moving its next_at ahead, posted outside of any transaction, and its outcome then noted.
Several endpoints are posted to at once, one delivery each, so that a slow one holds up nobody for longer than a try.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from lilong.common.django.sealing import SealBroken
from lilong.common.ids import new_id
from lilong.common.time import format_moment
from lilong.foundation.notices.core.endpoints import Endpoint, read_endpoint
from lilong.foundation.notices.core.retries import WEBHOOK_WAITS_S, find_next_try, is_hopeless
from lilong.foundation.notices.core.signing import sign_delivery
from lilong.foundation.notices.models import DeliveryTry, Webhook, WebhookDelivery
from lilong.foundation.notices.queries.wording import render_body
from lilong.foundation.notices.services.posting import post_notice
from lilong.foundation.notices.services.transport import Outcome, Resolve, post, resolve_host
from lilong.foundation.notices.services.webhooks import list_live_secrets

CLAIM_S = 120
AT_ONCE = 8
GONE = 410

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Claimed:
    delivery: WebhookDelivery
    endpoint: Endpoint
    headers: dict[str, str]
    body: bytes


def deliver_webhooks(*, now: datetime, resolve: Resolve = resolve_host) -> int:
    """Try what is due, to up to eight endpoints at once, and return how many deliveries were taken."""
    claimed = _claim(now)
    if not claimed:
        return 0
    allowed: Sequence[str] = settings.LILONG.webhook_networks_allowed

    def act(each: _Claimed) -> Outcome:
        return post(
            endpoint=each.endpoint, headers=each.headers, body=each.body, networks_allowed=allowed, resolve=resolve
        )

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        outcomes = list(pool.map(act, claimed))
    for each, outcome in zip(claimed, outcomes, strict=True):
        _note(each.delivery, outcome, now=now)
    return sum(outcome.is_success for outcome in outcomes)


def _claim(now: datetime) -> list[_Claimed]:
    """Claim the longest due delivery of each of a few webhooks, in turns: a full queue stands in nobody's way."""
    due = WebhookDelivery.objects.filter(delivered_at=None, given_up_at=None, next_at__lte=now)
    if not due.exists():
        return []
    with transaction.atomic():
        live = Webhook.objects.select_for_update(skip_locked=True).filter(
            Exists(due.filter(webhook=OuterRef("pk"))), disabled_at=None, deleted_at=None
        )
        webhooks = list(live.order_by(F("tried_at").asc(nulls_first=True), "id")[:AT_ONCE])
        deliveries = []
        for webhook in webhooks:
            webhook.tried_at = now
            delivery = due.filter(webhook=webhook).select_related("notice").earliest("next_at", "id")
            delivery.webhook = webhook
            delivery.attempts += 1
            delivery.next_at = now + timedelta(seconds=CLAIM_S)
            deliveries.append(delivery)
        Webhook.objects.bulk_update(webhooks, ["tried_at"])
        WebhookDelivery.objects.bulk_update(deliveries, ["attempts", "next_at"])
    return [claimed for delivery in deliveries if (claimed := _prepare(delivery, now=now))]


def _prepare(delivery: WebhookDelivery, *, now: datetime) -> _Claimed | None:
    """Return what to post; where that cannot be made, note why, as one webhook's trouble is not that of others."""
    endpoint = read_endpoint(url=delivery.webhook.url)
    if isinstance(endpoint, str):
        _note(delivery, Outcome(status=None, problem=endpoint, milliseconds=0), now=now)
        return None
    try:
        secrets = list_live_secrets(webhook=delivery.webhook, now=now)
    except SealBroken as error:
        _note(delivery, Outcome(status=None, problem=error.title, milliseconds=0), now=now)
        return None
    body = render_body(notice=delivery.notice)
    signature = sign_delivery(delivery_id=delivery.id, at=now, body=body, secrets=secrets)
    headers = {"Content-Type": "application/json", "User-Agent": "Lilong-Webhooks/1", **signature}
    return _Claimed(delivery=delivery, endpoint=endpoint, headers=headers, body=body)


def _note(delivery: WebhookDelivery, outcome: Outcome, *, now: datetime) -> None:
    """Write down a try and what follows from it, unless another worker took the delivery over meanwhile."""
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().get(id=delivery.webhook_id)
        mine = WebhookDelivery.objects.filter(id=delivery.id, attempts=delivery.attempts, delivered_at=None)
        DeliveryTry.objects.create(
            id=new_id("try"),
            delivery=delivery,
            at=now,
            status=outcome.status,
            problem=outcome.problem,
            milliseconds=outcome.milliseconds,
        )
        if outcome.is_success:
            mine.update(delivered_at=now)
            Webhook.objects.filter(id=webhook.id).update(failing_since=None)
            return
        next_at = find_next_try(attempts=delivery.attempts, waits_s=WEBHOOK_WAITS_S, now=now)
        mine.update(next_at=next_at or F("next_at"), given_up_at=None if next_at else now)
        webhook.failing_since = webhook.failing_since or now
        webhook.save(update_fields=["failing_since"])
        if outcome.status == GONE:
            _disable(webhook, because="it answered that it is gone for good (410).", now=now)
        elif is_hopeless(failing_since=webhook.failing_since, now=now):
            since = format_moment(webhook.failing_since)
            _disable(webhook, because=f"nothing was taken since {since}.", now=now)
    log.info("webhook_failed", webhook=webhook.id, delivery=delivery.id, status=outcome.status, why=outcome.problem)


def _disable(webhook: Webhook, *, because: str, now: datetime) -> None:
    if webhook.disabled_at is not None or webhook.deleted_at is not None:
        return
    webhook.disabled_at, webhook.disabled_because = now, because
    webhook.save(update_fields=["disabled_at", "disabled_because"])
    waiting = WebhookDelivery.objects.filter(webhook=webhook, delivered_at=None, given_up_at=None)
    waiting.update(given_up_at=now)
    post_notice(
        kind="notices.webhook_disabled",
        subject_id=webhook.id,
        occasion=format_moment(now),
        organisation_id=webhook.organisation_id,
        params={"url": webhook.url, "because": because},
        now=now,
    )
