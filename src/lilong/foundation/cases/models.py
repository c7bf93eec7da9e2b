"""Tables of cases and of what people said to them."""

from django.db import models
from django.db.models import F, Q

from lilong.common.permissions import Actor
from lilong.foundation.cases.core.decisions import CaseState, Decision

# Migrations freeze texts, not enums that may move.
STATES = sorted(state.value for state in CaseState)
DECISIONS = sorted(decision.value for decision in Decision)
OPEN = CaseState.OPEN.value
APPEAL = "cases.appeal"


class CaseQuerySet(models.QuerySet["Case"]):
    """Filters of cases."""

    def visible_to(self, actor: Actor) -> "CaseQuerySet":
        """Keep the cases that concern the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Case(models.Model):
    """One request and its decision.

    organisation_id: whom it concerns, empty for the hub itself. rule_*: which published rule looked at it, and
    rule_distance how far the facts were from its nearest threshold, also when it left the decision to people.
    terms_*: the published terms in force when it was opened; of them appeal_within_s, 0 without appeal, and
    appeal_against, the decision that it would be about.
    concerns: organisations beside organisation_id whose people, and people of whose related parties, do not decide it.
    assigned_to: the operator who is expected to decide; empty: all are. appeal_of: the decision appealed against.
    """

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=64)
    organisation_id = models.CharField(max_length=64, blank=True)
    opened_by = models.CharField(max_length=64, blank=True)
    concerns = models.JSONField(default=list)
    facts = models.JSONField()
    approvals_needed = models.PositiveSmallIntegerField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    overdue_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=16)
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=1000, blank=True)
    rule_name = models.CharField(max_length=64, blank=True)
    rule_version = models.CharField(max_length=64, blank=True)
    rule_sha256 = models.CharField(max_length=64, blank=True)
    rule_distance = models.IntegerField(null=True)
    terms_version = models.CharField(max_length=64, blank=True)
    terms_sha256 = models.CharField(max_length=64, blank=True)
    appeal_within_s = models.PositiveIntegerField(default=0)
    appeal_against = models.CharField(max_length=16, default=CaseState.REFUSED.value)
    assigned_to = models.CharField(max_length=64, blank=True)
    appeal_of = models.OneToOneField("self", models.PROTECT, null=True, related_name="appeal")

    objects = CaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject_id"], name="cases_case_once"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="cases_case_state"),
            models.CheckConstraint(condition=Q(approvals_needed__gte=1), name="cases_case_approvals"),
            models.CheckConstraint(
                condition=Q(state=OPEN, decided_at=None) | (~Q(state=OPEN) & Q(decided_at__isnull=False)),
                name="cases_case_decided",
            ),
            models.CheckConstraint(condition=Q(due_at__gte=F("opened_at")), name="cases_case_due"),
            models.CheckConstraint(
                condition=Q(kind=APPEAL, appeal_of__isnull=False) | (~Q(kind=APPEAL) & Q(appeal_of=None)),
                name="cases_case_appeal",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state=OPEN), name="cases_case_waiting"),
            models.Index(fields=["organisation_id"], name="cases_case_organisation"),
            models.Index(fields=["kind", "id"], name="cases_case_kind"),
        ]


class CaseOpinion(models.Model):
    """What one person said to a case."""

    id = models.CharField(max_length=64, primary_key=True)
    case = models.ForeignKey(Case, models.PROTECT, related_name="opinions", db_index=False)
    person_id = models.CharField(max_length=64)
    decision = models.CharField(max_length=16)
    reason = models.CharField(max_length=1000)
    given_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "person_id"], name="cases_opinion_once"),
            models.CheckConstraint(condition=Q(decision__in=DECISIONS), name="cases_opinion_decision"),
        ]
