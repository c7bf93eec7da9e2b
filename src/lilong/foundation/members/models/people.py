"""Tables of people, memberships, invitations, tokens, secrets, and what signing in needs."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.db.models import Q

from lilong.common.permissions import Actor, Role
from lilong.foundation.members.core.factor_losses import OPEN, LossState
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.tokens import TokenUse
from lilong.foundation.members.models.organisations import Organisation

# Migrations freeze texts, not enums that may move.
ROLES = sorted(role.value for role in Role)
LANGUAGES = sorted(language.value for language in Language)
USES = sorted(use.value for use in TokenUse)
LOSS_STATES = sorted(state.value for state in LossState)
LOSSES_OPEN = sorted(state.value for state in OPEN)


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


class Mail(models.Model):
    """A mail that waits to be sent: its text is sealed, for it may hold a code. It goes once it is sent or too old."""

    id = models.CharField(max_length=64, primary_key=True)
    sealed = models.TextField()
    created_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_index=True)


class RefusedMail(models.Model):
    """A mail of signing in that its server refused for good. Nothing is kept of what it said and for whom it was.

    id: that of the mail. answer: the server's, in which nobody is named.
    """

    id = models.CharField(max_length=64, primary_key=True)
    written_at = models.DateTimeField()
    refused_at = models.DateTimeField(db_index=True)
    tries = models.PositiveSmallIntegerField()
    answer = models.CharField(max_length=500)


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
