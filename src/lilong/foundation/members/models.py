"""Tables of organisations, people, memberships, tokens and secrets."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.db.models import F, Q

from lilong.common.money import PPM
from lilong.common.permissions import Actor, Role
from lilong.foundation.members.core.factor_losses import OPEN, LossState
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.ownership import HolderKind
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.core.standings import StandingKind
from lilong.foundation.members.core.tokens import TokenUse

# Migrations freeze texts, not enums that may move.
KINDS = sorted(kind.value for kind in OrganisationKind)
STATES = sorted(state.value for state in OrganisationState)
ROLES = sorted(role.value for role in Role)
LANGUAGES = sorted(language.value for language in Language)
USES = sorted(use.value for use in TokenUse)
HOLDERS = sorted(kind.value for kind in HolderKind)
STANDINGS = sorted(kind.value for kind in StandingKind)
LOSS_STATES = sorted(state.value for state in LossState)
LOSSES_OPEN = sorted(state.value for state in OPEN)


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


class Person(AbstractBaseUser):
    """Somebody, known by an email address in lower case. Who was added by others has no usable password at first.

    email_verified_at: when the person last proved to read the mail of this address; None: somebody only said so.
    erased_at: when name and address were erased; the row stays, because others name its id.
    language: in which the hub writes to this person.
    factor_loss_at: since when the hub is asked to take the second factor away; pages of the person's sessions say so.
    """

    id = models.CharField(max_length=64, primary_key=True)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=16, default=Language.EN)
    created_at = models.DateTimeField()
    email_verified_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)
    factor_loss_at = models.DateTimeField(null=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(language__in=LANGUAGES), name="members_person_language")]

    def save(self, **options: Any) -> None:  # noqa: ANN401 - Django's
        """Save in a transaction: libraries that sign people in save them, too."""
        with transaction.atomic():
            super().save(**options)


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Filters of memberships."""

    def visible_to(self, actor: Actor) -> "MembershipQuerySet":
        """Keep those of the actor's own organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Membership(models.Model):
    """One person in one organisation, from `joined_at` until `left_at`."""

    id = models.CharField(max_length=64, primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    role = models.CharField(max_length=16)
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=ROLES), name="members_membership_role"),
            models.UniqueConstraint(
                fields=["person", "organisation"], condition=Q(left_at=None), name="members_membership_once"
            ),
        ]


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Filters of invitations."""

    def visible_to(self, actor: Actor) -> "InvitationQuerySet":
        """Keep those of the actor's own organisation; an operator's is the hub."""
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()

    def unanswered(self) -> "InvitationQuerySet":
        """Keep those that nobody accepted or withdrew, expired ones too."""
        return self.filter(accepted_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """Somebody may join by this address. Each sending has a secret of its own; only the last one's digest is kept.

    language: of its mail.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    email = models.EmailField()
    role = models.CharField(max_length=16)
    language = models.CharField(max_length=16, default=Language.EN)
    invited_by = models.CharField(max_length=64)
    generation = models.PositiveSmallIntegerField()
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=64, blank=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=ROLES), name="members_invitation_role"),
            models.CheckConstraint(condition=Q(language__in=LANGUAGES), name="members_invitation_language"),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(withdrawn_at=None), name="members_invitation_one_end"
            ),
            models.UniqueConstraint(
                fields=["organisation", "email"],
                condition=Q(accepted_at=None, withdrawn_at=None),
                name="members_invitation_once",
            ),
        ]


class Token(models.Model):
    """What acts for a membership: only its digest is kept. Scopes are words in one text."""

    id = models.CharField(max_length=64, primary_key=True)
    membership = models.ForeignKey(Membership, on_delete=models.PROTECT)
    use = models.CharField(max_length=8)
    name = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(use__in=USES), name="members_token_use")]


class Secret(models.Model):
    """A named value of an organisation, sealed."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    name = models.CharField(max_length=64)
    sealed = models.TextField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="members_secret_name")]


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


class Mail(models.Model):
    """A mail that waits to be sent: its text is sealed, for it may hold a code. It goes once it is sent or too old."""

    id = models.CharField(max_length=64, primary_key=True)
    sealed = models.TextField()
    created_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_index=True)


class FactorLoss(models.Model):
    """Somebody who knows a person's password says that the second factor is lost, and recovery codes with it.

    said: by what an operator can make sure who it is; reason: of the decision; due_at: when the second factor goes.
    """

    id = models.CharField(max_length=64, primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    state = models.CharField(max_length=16)
    said = models.CharField(max_length=1000, blank=True)
    code_digest = models.CharField(max_length=64)
    code_tries = models.PositiveSmallIntegerField(default=0)
    code_expires_at = models.DateTimeField()
    asked_at = models.DateTimeField()
    proven_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    due_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=LOSS_STATES), name="members_loss_state"),
            models.UniqueConstraint(fields=["person"], condition=Q(state__in=LOSSES_OPEN), name="members_loss_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="granted"), name="members_loss_due"),
            models.Index(fields=["id"], condition=Q(state="waiting"), name="members_loss_waiting"),
        ]


class SharedCacheRow(models.Model):
    """A row of what Django's database cache keeps: a table like others, so that it is made, emptied and locked."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "shared_cache"
