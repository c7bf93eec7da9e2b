"""Tables of organisations, people, memberships, tokens and secrets."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models import Q

from lilong.common.permissions import Actor, Role
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.core.tokens import TokenUse

# Migrations freeze texts, not enums that may move.
KINDS = sorted(kind.value for kind in OrganisationKind)
STATES = sorted(state.value for state in OrganisationState)
ROLES = sorted(role.value for role in Role)
LANGUAGES = sorted(language.value for language in Language)
USES = sorted(use.value for use in TokenUse)


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


class Person(AbstractBaseUser):
    """Somebody, known by an email address in lower case. Passwords are unusable: people sign in by tokens.

    language: in which the hub writes to this person.
    """

    id = models.CharField(max_length=64, primary_key=True)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=16, default=Language.EN)
    created_at = models.DateTimeField()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(language__in=LANGUAGES), name="members_person_language")]


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
