"""Tables of events, their deliveries, leases and kept answers."""

from django.db import models
from django.db.models import Q


class WaitingEvent(models.Model):
    """A fact that later rooms may want to know; deleted when all its deliveries are done."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=100)
    payload = models.JSONField()
    dispatched_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(dispatched_at=None), name="outbox_event_waiting")]


class Delivery(models.Model):
    """One event on its way to one subscriber. Being claimed means that `next_at` lies ahead."""

    id = models.CharField(max_length=64, primary_key=True)
    event = models.ForeignKey(WaitingEvent, on_delete=models.PROTECT)
    subscriber = models.CharField(max_length=200)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    dead_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=1000, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "subscriber"], name="outbox_delivery_once")]
        indexes = [models.Index(fields=["next_at", "id"], condition=Q(dead_at=None), name="outbox_delivery_due")]


class Lease(models.Model):
    """The right of `holder` to do what `name` says alone, until it expires."""

    name = models.CharField(max_length=100, primary_key=True)
    holder = models.CharField(max_length=200)
    expires_at = models.DateTimeField()


class KeptAnswer(models.Model):
    """The answer to one POST with an Idempotency-Key; `status` is empty within the transaction that is acting alone.

    The id is the SHA-256 of who asks, route and key: the key itself is not kept. `body` is opaque here.
    """

    id = models.CharField(max_length=64, primary_key=True)
    request_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(default=b"")
    expires_at = models.DateTimeField(db_index=True)
