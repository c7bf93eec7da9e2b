"""Deleting what was told long ago."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from lilong.foundation.notices.models import WAITING, DeliveryTry, Letter, Mail, Notice, WebhookDelivery
from lilong.foundation.notices.services.erasure import forget_erased_people

KEEP_TRIES = timedelta(days=30)
KEEP = timedelta(days=180)
BATCH = 1000


def prune(*, now: datetime) -> int:
    """Delete tries after 30 days, and notices with letters, mails and deliveries after 180; return how many rows.

    What is left of people who were erased goes at once.
    """
    forget_erased_people()
    old = now - KEEP
    letters = Letter.objects.filter(notice=OuterRef("pk"))
    deliveries = WebhookDelivery.objects.filter(notice=OuterRef("pk"))
    stale = (
        DeliveryTry.objects.filter(at__lt=now - KEEP_TRIES),
        WebhookDelivery.objects.filter(~Exists(DeliveryTry.objects.filter(delivery=OuterRef("pk"))), made_at__lt=old),
        Letter.objects.filter(posted_at__lt=old),
        Mail.objects.filter(~Exists(Letter.objects.filter(mail=OuterRef("pk"))), written_at__lt=old).exclude(
            state=WAITING
        ),
        Notice.objects.filter(~Exists(letters), ~Exists(deliveries), posted_at__lt=old, told_at__isnull=False),
    )
    count = 0
    for rows in stale:
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if ids:
            with transaction.atomic():
                count += rows.model.objects.filter(pk__in=ids).delete()[0]
    return count
