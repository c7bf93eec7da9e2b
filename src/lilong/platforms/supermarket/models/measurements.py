"""Tables of what was measured of offers."""

from django.db import models
from django.db.models import Q

from lilong.platforms.supermarket.models.market import Offer, Order


class Measurement(models.Model):
    """An order by which one unit of an offer is measured, and what became of it.

    nonce, parameters: of the job; see `core/measuring`. findings: what was not measured and why, and the machine, as
    the report says. refusal: why nothing is believed of it, as a stored sentence. checked_at: when it was decided.
    """

    id = models.CharField(max_length=64, primary_key=True)
    offer = models.ForeignKey(Offer, models.PROTECT, related_name="measurements")
    order = models.OneToOneField(Order, models.PROTECT, related_name="measurement")
    nonce = models.CharField(max_length=64, unique=True)
    parameters = models.JSONField()
    ordered_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    refusal = models.JSONField(null=True)
    findings = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(checked_at=None), name="supermarket_unmeasured")]


class Figure(models.Model):
    """One speed that was measured, in millionths of its metric's unit. is_newest: of its offer and metric."""

    id = models.CharField(max_length=64, primary_key=True)
    measurement = models.ForeignKey(Measurement, models.PROTECT, related_name="figures")
    offer = models.ForeignKey(Offer, models.PROTECT, related_name="figures")
    metric = models.CharField(max_length=32)
    micro = models.BigIntegerField()
    lowest = models.BigIntegerField()
    highest = models.BigIntegerField()
    count = models.PositiveIntegerField()
    drifted = models.BooleanField()
    measured_at = models.DateTimeField()
    is_newest = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["measurement", "metric"], name="supermarket_figure_once"),
            models.UniqueConstraint(
                fields=["offer", "metric"], condition=Q(is_newest=True), name="supermarket_figure_newest"
            ),
        ]
