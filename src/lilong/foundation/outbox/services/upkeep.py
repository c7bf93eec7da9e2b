"""Deleting what the outbox need not keep."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from lilong.foundation.outbox.models import Delivery, KeptAnswer, WaitingEvent

KEEP_DONE_EVENTS_S = 3600


def prune(*, now: datetime) -> int:
    """Delete expired answers and events that nobody waits for any more; return how many rows went. Idle calls read."""
    open_deliveries = Delivery.objects.filter(event=OuterRef("pk"))
    done_before = now - timedelta(seconds=KEEP_DONE_EVENTS_S)
    stale = (
        KeptAnswer.objects.filter(expires_at__lte=now),
        WaitingEvent.objects.filter(~Exists(open_deliveries), dispatched_at__lt=done_before),
    )
    count = 0
    for rows in stale:
        if rows.exists():
            with transaction.atomic():
                count += rows.delete()[0]
    return count
