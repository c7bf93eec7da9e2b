"""Tables of what is claimed beyond what ships with Lilong, and of what was withdrawn. Rows are added, never changed."""

from django.db import models
from django.db.models import Q

from lilong.common.permissions import Actor
from lilong.platforms.stack.core.checks import COMMIT_MAX, CONDITIONS_MAX, NOTE_MAX, TITLE_MAX, URL_MAX, VALUE_MAX
from lilong.platforms.stack.core.claims import Confidence, Tier

REASON_MAX = 1000


class AddedClaimQuerySet(models.QuerySet["AddedClaim"]):
    """Filters of added claims."""

    def visible_to(self, _actor: Actor) -> "AddedClaimQuerySet":
        """Keep all for everybody, signed in or not: claims are published, and no organisation's."""
        return self


class AddedClaim(models.Model):
    """A claim that an operator or a measurement added. added_by: empty where a room of the hub handed it in."""

    id = models.CharField(max_length=64, primary_key=True)
    accelerator = models.CharField(max_length=64)
    property = models.CharField(max_length=64)
    value = models.CharField(max_length=VALUE_MAX)
    conditions = models.CharField(max_length=CONDITIONS_MAX, blank=True)
    tier = models.CharField(max_length=20)
    confidence = models.CharField(max_length=20)
    source_title = models.CharField(max_length=TITLE_MAX)
    source_url = models.CharField(max_length=URL_MAX, blank=True)
    source_commit = models.CharField(max_length=COMMIT_MAX, blank=True)
    source_dated_on = models.DateField(null=True)
    note = models.CharField(max_length=NOTE_MAX, blank=True)
    run_id = models.CharField(max_length=64, blank=True)
    added_by = models.CharField(max_length=64, blank=True)
    added_at = models.DateTimeField()

    objects = AddedClaimQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(tier__in=[tier.value for tier in Tier]), name="stack_claim_tier"),
            models.CheckConstraint(
                condition=Q(confidence__in=[each.value for each in Confidence]), name="stack_claim_confidence"
            ),
            models.CheckConstraint(
                condition=Q(run_id="") | Q(tier=Tier.MEASURED.value), name="stack_claim_of_run_measured"
            ),
            models.UniqueConstraint(
                fields=["run_id", "accelerator", "property", "conditions"],
                condition=~Q(run_id=""),
                name="stack_claim_of_run_once",
            ),
        ]
        indexes = [models.Index(fields=["accelerator", "property"], name="stack_claim_subject")]


class Withdrawal(models.Model):
    """The end of a claim, whether it was added here or ships with Lilong: it stays to be read, with the reason."""

    claim_id = models.CharField(max_length=64, primary_key=True)
    accelerator = models.CharField(max_length=64, db_index=True)
    reason = models.CharField(max_length=REASON_MAX)
    withdrawn_by = models.CharField(max_length=64)
    withdrawn_at = models.DateTimeField()
