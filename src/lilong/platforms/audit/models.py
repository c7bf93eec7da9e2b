"""The table of audit packs."""

from django.db import models
from django.db.models import Q

from lilong.common.permissions import Actor
from lilong.platforms.audit.core.packs import PackState

# Migrations freeze texts, not enums that may move.
STATES = sorted(state.value for state in PackState)


class AuditPackQuerySet(models.QuerySet["AuditPack"]):
    """Filters of packs."""

    def visible_to(self, actor: Actor) -> "AuditPackQuerySet":
        """Keep all for operators, nothing for anybody else."""
        return self if actor.is_operator else self.none()


class AuditPack(models.Model):
    """A period of which an operator wants a pack.

    organisation_id: whose object the pack is, the hub's own; next_at: when it is tried, moved ahead by who claims it;
    problem, said: why the last try failed, and what that is made of; sha256, size_bytes: of the zip, once it is ready;
    expires_at: until when it is kept.
    """

    id = models.CharField(max_length=64, primary_key=True)
    begins_on = models.DateField()
    ends_on = models.DateField()
    organisation_id = models.CharField(max_length=64)
    requested_by = models.CharField(max_length=64)
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=16)
    next_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=1000, blank=True)
    said = models.JSONField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects = AuditPackQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STATES), name="audit_pack_state"),
            models.CheckConstraint(condition=Q(ends_on__gt=models.F("begins_on")), name="audit_pack_period"),
            models.CheckConstraint(
                condition=Q(state="ready", ready_at__isnull=False, expires_at__isnull=False) & ~Q(sha256="")
                | Q(state="requested", ready_at=None, expires_at=None, sha256=""),
                name="audit_pack_ready",
            ),
            models.UniqueConstraint(
                fields=["begins_on", "ends_on"], condition=Q(state="requested"), name="audit_pack_waits_once"
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(state="requested"), name="audit_pack_waiting")]
