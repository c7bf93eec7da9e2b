"""Tables of what is estimated of starts, and of how good the estimates were."""

from django.db import models
from django.db.models import Q

from lilong.platforms.supermarket.models.market import Order


class StartOutlook(models.Model):
    """How long a job with one accelerator, or with none, would wait on a pool; all rows are renewed by reconcile."""

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    pool_id = models.CharField(max_length=64)
    accelerators = models.PositiveSmallIntegerField()
    p50_s = models.PositiveIntegerField()
    p90_s = models.PositiveIntegerField()
    waits = models.PositiveIntegerField()
    estimated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool_id", "accelerators"], name="supermarket_outlook_once"),
        ]


class StartScore(models.Model):
    """What a quote estimated of the start on one pool, and what came of it there; once for each order and pool.

    month: the day on which the month began in which it was known. counted: it is in the pool's record of that month.
    """

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    order = models.ForeignKey(Order, models.PROTECT, related_name="start_scores")
    pool_id = models.CharField(max_length=64)
    month = models.DateField()
    p50_s = models.PositiveIntegerField()
    p90_s = models.PositiveIntegerField()
    waits = models.PositiveIntegerField()
    waited_ms = models.BigIntegerField()
    began = models.BooleanField()
    counted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "pool_id"], name="supermarket_score_once"),
            models.CheckConstraint(condition=Q(waited_ms__gte=0), name="supermarket_score_waited"),
        ]
        indexes = [
            models.Index(fields=["pool_id", "month"], name="supermarket_score_month"),
            models.Index(fields=["id"], condition=Q(counted=False), name="supermarket_score_uncounted"),
        ]


class StartRecord(models.Model):
    """How good the estimates of a pool were in one month: `core.scores.Tally` of its scores, made anew by reconcile."""

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    pool_id = models.CharField(max_length=64)
    month = models.DateField(db_index=True)
    began = models.PositiveIntegerField()
    given_up = models.PositiveIntegerField()
    judged_p50 = models.PositiveIntegerField()
    within_p50 = models.PositiveIntegerField()
    judged_p90 = models.PositiveIntegerField()
    within_p90 = models.PositiveIntegerField()
    median_error_ms = models.BigIntegerField(null=True)
    loss_p50_ms = models.BigIntegerField(null=True)
    loss_p90_ms = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool_id", "month"], name="supermarket_start_record_once"),
        ]
