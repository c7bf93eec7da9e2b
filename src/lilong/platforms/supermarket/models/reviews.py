"""Tables of the routes by size: what the rule said of each order, and the reviews that decide on the large ones."""

from django.db import models
from django.db.models import Q

from lilong.platforms.supermarket.core.routes import Way


class Review(models.Model):
    """A request for more than the automatic route gives, made by an order that waits, and what became of it.

    card_ms and max_uc: what was asked for, of which orders of the same project are drawn once it is approved, until
    ends_at. decision: empty while the case is open.
    """

    id = models.CharField(max_length=64, primary_key=True)
    order = models.OneToOneField("supermarket.Order", models.PROTECT, related_name="review")
    organisation_id = models.CharField(max_length=64)
    project = models.ForeignKey("supermarket.Project", models.PROTECT, null=True, related_name="reviews")
    case_id = models.CharField(max_length=64, unique=True)
    route = models.CharField(max_length=32)
    card_ms = models.BigIntegerField()
    max_uc = models.BigIntegerField()
    asked_at = models.DateTimeField()
    decision = models.CharField(max_length=16, blank=True)
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=1000, blank=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None) | (~Q(decision="") & Q(decided_at__isnull=False)),
                name="supermarket_review_decided",
            ),
            models.CheckConstraint(
                condition=Q(decision="approved", ends_at__isnull=False) | (~Q(decision="approved") & Q(ends_at=None)),
                name="supermarket_review_ends",
            ),
            models.CheckConstraint(condition=Q(card_ms__gte=1, max_uc__gte=1), name="supermarket_review_size"),
        ]
        indexes = [models.Index(fields=["organisation_id", "asked_at"], name="supermarket_reviews")]


class RouteDecision(models.Model):
    """What the rule said of one order, when it was quoted or when its quote was taken; never changed.

    asked_ms, counted_ms, limit_ms: the figures that decided, in card-milliseconds. review_id: of the allowance that
    the order is drawn from, or empty.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    order = models.ForeignKey("supermarket.Order", models.PROTECT, related_name="route_decisions")
    step = models.CharField(max_length=24)
    way = models.CharField(max_length=16)
    route = models.CharField(max_length=32, blank=True)
    rule_version = models.CharField(max_length=64)
    rule_sha256 = models.CharField(max_length=64)
    asked_ms = models.BigIntegerField()
    counted_ms = models.BigIntegerField()
    limit_ms = models.BigIntegerField()
    review_id = models.CharField(max_length=64, blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(way__in=sorted(Way)), name="supermarket_route_way")]
        indexes = [models.Index(fields=["organisation_id", "id"], name="supermarket_route_decisions")]
