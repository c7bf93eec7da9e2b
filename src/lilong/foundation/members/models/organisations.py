"""Tables of organisations and what each is admitted as."""

from django.db import models
from django.db.models import F, Q

from lilong.common.permissions import Actor
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.core.standings import StandingKind

# Migrations freeze texts, not enums that may move.
KINDS = sorted(kind.value for kind in OrganisationKind)
STATES = sorted(state.value for state in OrganisationState)
STANDINGS = sorted(kind.value for kind in StandingKind)


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    """Filters of organisations."""

    def visible_to(self, actor: Actor) -> "OrganisationQuerySet":
        """Keep the actor's own organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(id=actor.organisation_id) if actor.organisation_id else self.none()


class Organisation(models.Model):
    """Who has members, money and runs."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=16)
    created_at = models.DateTimeField(db_index=True)

    objects = OrganisationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="members_organisation_kind"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="members_organisation_state"),
            models.UniqueConstraint(fields=["kind"], condition=Q(kind="hub"), name="members_one_hub"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="applied"), name="members_organisation_waiting")]


class OrganisationStanding(models.Model):
    """What an organisation is at the hub from `starts_on` until the day before `ends_on`.

    Periods of one kind never overlap; the service sees to it under the organisation's lock. by: the person who granted
    it, empty for a rule or the first migration. case_id: the case by which it was granted, if there was one.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="standings")
    kind = models.CharField(max_length=16)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)
    granted_at = models.DateTimeField()
    by = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    case_id = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=STANDINGS), name="members_standing_kind"),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")), name="members_standing_period"
            ),
        ]


class StandingApplication(models.Model):
    """An organisation asks to be something at the hub, or to be it for longer; a case decides.

    answered_at: None while the case is open. standing_id: what was granted in the end.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    kind = models.CharField(max_length=16)
    case_id = models.CharField(max_length=64)
    applied_by = models.CharField(max_length=64)
    applied_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    standing_id = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=STANDINGS), name="members_application_kind"),
            models.UniqueConstraint(
                fields=["organisation", "kind"], condition=Q(answered_at=None), name="members_application_once"
            ),
        ]
