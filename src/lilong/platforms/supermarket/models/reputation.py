"""Tables of how providers did what they sold."""

from django.db import models

from lilong.platforms.supermarket.models.market import Order, Provider


class Conduct(models.Model):
    """How one settled order went on one pool; see `core.reputation.Conduct`. Rows older than the window go.

    related: buyer and provider were related parties when it was ordered, or one and the same: it counts for nothing.
    charged: something was due for it. attempt_ids: of the pool.
    """

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    order = models.ForeignKey(Order, models.PROTECT, related_name="conducts")
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="conducts")
    pool_id = models.CharField(max_length=64)
    settled_at = models.DateTimeField(db_index=True)
    related = models.BooleanField()
    started_in_time = models.BooleanField(null=True)
    ended_well = models.BooleanField(null=True)
    level_kept = models.BooleanField(null=True)
    charged = models.BooleanField()
    cause = models.CharField(max_length=32, blank=True)
    attempt_ids = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "pool_id"], name="supermarket_conduct_once")]
        indexes = [
            models.Index(
                fields=["pool_id", "settled_at"],
                condition=models.Q(ended_well=False),
                name="supermarket_conduct_fault",
            )
        ]


class ReputationShare(models.Model):
    """One share of one pool over the window; all rows are made anew by reconcile. See `core.reputation.Share`.

    months: [first day, kept, count] of each month that has facts, the newest first. parts: how many of what, by code:
    reasons of ends by the provider's fault, or how disputes were decided. left_out: orders of related parties.
    """

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="reputation")
    pool_id = models.CharField(max_length=64)
    share = models.CharField(max_length=24)
    kept = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    months = models.JSONField()
    parts = models.JSONField()
    left_out = models.PositiveIntegerField()
    reckoned_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool_id", "share"], name="supermarket_reputation_once")]
