"""What waits to leave the hub, and what never did: for whoever keeps the hub running."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from lilong.foundation.notices.models import DEAD, WAITING, Mail, Webhook, WebhookDelivery


@dataclass(frozen=True, slots=True)
class MailBacklog:
    """Mails that wait, when the oldest of them was written, and those that were given up."""

    waiting: int
    oldest_at: datetime | None
    dead: int


@dataclass(frozen=True, slots=True)
class WebhookBacklog:
    """Deliveries that wait, and when the oldest was made; webhooks whose last try failed, and those switched off."""

    waiting: int
    oldest_at: datetime | None
    failing: int
    disabled: int


def measure_mails() -> MailBacklog:
    """Return what the mail server has not taken. One query. Cost: linear in mails that wait or were given up."""
    waits = Q(state=WAITING)
    found = Mail.objects.filter(state__in=(WAITING, DEAD)).aggregate(
        waiting=Count("id", filter=waits), oldest_at=Min("written_at", filter=waits), dead=Count("id", filter=~waits)
    )
    return MailBacklog(**found)


def measure_webhooks() -> WebhookBacklog:
    """Return what webhooks have not taken. Two queries. Cost: linear in waiting deliveries and in webhooks."""
    waiting = WebhookDelivery.objects.filter(delivered_at=None, given_up_at=None)
    states = Webhook.objects.filter(deleted_at=None).aggregate(
        failing=Count("id", filter=Q(failing_since__isnull=False, disabled_at=None)),
        disabled=Count("id", filter=Q(disabled_at__isnull=False)),
    )
    return WebhookBacklog(**waiting.aggregate(waiting=Count("id"), oldest_at=Min("made_at")), **states)
