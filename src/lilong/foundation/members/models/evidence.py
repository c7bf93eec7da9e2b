"""Tables of what organisations show and say: documents, owners, consents, answers."""

from django.db import models
from django.db.models import F, Q

from lilong.common.money import PPM
from lilong.common.permissions import Actor
from lilong.foundation.members.core.ownership import HolderKind
from lilong.foundation.members.models.organisations import Organisation

# Migrations freeze texts, not enums that may move.
HOLDERS = sorted(kind.value for kind in HolderKind)


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    """Filters of documents."""

    def visible_to(self, actor: Actor) -> "EvidenceQuerySet":
        """Keep those of the actor's own organisation: operators see others' only where they decide a case."""
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Evidence(models.Model):
    """A document that an organisation shows; its bytes are an object that is held for it until it is withdrawn."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    kind = models.CharField(max_length=32)
    title = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    issued_on = models.DateField()
    expires_on = models.DateField(null=True)
    given_by = models.CharField(max_length=64)
    given_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    verified_by = models.CharField(max_length=64, blank=True)
    verification = models.CharField(max_length=1000, blank=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_on=None) | Q(expires_on__gt=F("issued_on")), name="members_evidence_days"
            ),
            models.CheckConstraint(
                condition=Q(verified_at=None, verified_by="") | (Q(verified_at__isnull=False) & ~Q(verified_by="")),
                name="members_evidence_verified",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_on"], condition=Q(withdrawn_at=None), name="members_evidence_expiring")
        ]


class EvidenceUse(models.Model):
    """For what a document is shown: subject_id names a case, for example, and `what` the case's kind."""

    id = models.CharField(max_length=64, primary_key=True)
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT)
    subject_id = models.CharField(max_length=64, db_index=True)
    what = models.CharField(max_length=64)
    used_by = models.CharField(max_length=64, blank=True)
    used_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["evidence", "subject_id"], name="members_evidence_use_once")]


class OwnershipShare(models.Model):
    """Who holds how much of an organisation, as it declared, from `starts_on` until the day before `ends_on`.

    holder: an organisation's or person's id, whether there is one or not, or `outside:` and a registration number.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    holder_kind = models.CharField(max_length=16)
    holder = models.CharField(max_length=200)
    name = models.CharField(max_length=120, blank=True)
    registration_number = models.CharField(max_length=60, blank=True)
    share_ppm = models.PositiveIntegerField()
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)
    declared_by = models.CharField(max_length=64)
    declared_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(holder_kind__in=HOLDERS), name="members_share_holder_kind"),
            models.CheckConstraint(condition=Q(share_ppm__gte=1, share_ppm__lte=PPM), name="members_share_size"),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")), name="members_share_period"
            ),
            models.UniqueConstraint(
                fields=["organisation", "holder"], condition=Q(ends_on=None), name="members_share_once"
            ),
        ]


class Consent(models.Model):
    """An organisation's yes to one use of its data, in the words of one version, until it is withdrawn."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    use = models.CharField(max_length=32)
    version = models.CharField(max_length=16)
    given_by = models.CharField(max_length=64)
    given_at = models.DateTimeField()
    withdrawn_by = models.CharField(max_length=64, blank=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "use", "version"], condition=Q(withdrawn_at=None), name="members_consent_once"
            )
        ]
        indexes = [models.Index(fields=["use", "version"], condition=Q(withdrawn_at=None), name="members_consent_use")]


class OutcomeAnswer(models.Model):
    """How an organisation fared, as it said last in one round."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    round = models.CharField(max_length=32)
    question = models.CharField(max_length=32)
    version = models.CharField(max_length=16)
    number = models.BigIntegerField()
    answered_by = models.CharField(max_length=64)
    answered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "round", "question"], name="members_outcome_once"),
            models.CheckConstraint(condition=Q(number__gte=0), name="members_outcome_number"),
        ]
