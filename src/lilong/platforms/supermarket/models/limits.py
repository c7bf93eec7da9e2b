"""Tables of what an organisation allows itself to spend: projects, budgets, approvals, and what each decided."""

from django.db import models
from django.db.models import Q

from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetScope
from lilong.platforms.supermarket.core.policy import ORDER_MAX_UC


def _is_amount(field: str) -> Q:
    return Q(**{f"{field}__gte": 1, f"{field}__lte": ORDER_MAX_UC})


class Project(models.Model):
    """What an organisation orders for, by its own name. closed_at: no new orders are placed for it."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    name = models.CharField(max_length=63)
    created_by = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "name"], condition=Q(closed_at=None), name="supermarket_project_name_once"
            )
        ]


class Budget(models.Model):
    """The most that orders may come to: of the organisation, of a project or of a person; by month or without end.

    subject_id: of the project or person. Never changed: another limit is another row, which takes over `begins_at`,
    from when on one without end counts.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    name = models.CharField(max_length=63)
    scope = models.CharField(max_length=16)
    subject_id = models.CharField(max_length=64, blank=True)
    period = models.CharField(max_length=8)
    limit_uc = models.BigIntegerField()
    begins_at = models.DateTimeField()
    set_by = models.CharField(max_length=64)
    set_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scope=BudgetScope.ORGANISATION, subject_id="")
                | (Q(scope__in=[BudgetScope.PROJECT, BudgetScope.PERSON]) & ~Q(subject_id="")),
                name="supermarket_budget_scope",
            ),
            models.CheckConstraint(condition=Q(period__in=sorted(BudgetPeriod)), name="supermarket_budget_period"),
            models.CheckConstraint(condition=_is_amount("limit_uc"), name="supermarket_budget_limit"),
            models.UniqueConstraint(
                fields=["organisation_id", "name"], condition=Q(ended_at=None), name="supermarket_budget_name_once"
            ),
            models.UniqueConstraint(
                fields=["organisation_id", "scope", "subject_id", "period"],
                condition=Q(ended_at=None),
                name="supermarket_budget_once",
            ),
        ]


class BudgetDecision(models.Model):
    """What a budget said of one order, when it was quoted or when its money was to be held; never changed.

    limit_uc, used_uc, asked_uc: the figures that decided. code and reason: why not; empty where it let the order be.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    budget = models.ForeignKey(Budget, models.PROTECT, related_name="decisions")
    order = models.ForeignKey("supermarket.Order", models.PROTECT, related_name="budget_decisions")
    step = models.CharField(max_length=24)
    limit_uc = models.BigIntegerField()
    used_uc = models.BigIntegerField()
    asked_uc = models.BigIntegerField()
    code = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organisation_id", "id"], name="supermarket_budget_decisions")]


class SpendingRule(models.Model):
    """The one row of what an organisation set besides budgets; whoever counts or sets budgets locks it.

    approval_above_uc: orders that can cost more wait for somebody's approval. low_balance_uc: below it the wallet is
    low, which is told once. is_low: whether it was told since the wallet was last above. told: how often in all.
    """

    organisation_id = models.CharField(max_length=64, primary_key=True)
    approval_above_uc = models.BigIntegerField(null=True)
    low_balance_uc = models.BigIntegerField(null=True)
    wallet_account_id = models.CharField(max_length=64, blank=True)
    is_low = models.BooleanField(default=False)
    told = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approval_above_uc=None) | Q(approval_above_uc__gte=0, approval_above_uc__lte=ORDER_MAX_UC),
                name="supermarket_approval_above",
            ),
            models.CheckConstraint(
                condition=Q(low_balance_uc=None) | _is_amount("low_balance_uc"), name="supermarket_low_balance"
            ),
        ]
        indexes = [
            models.Index(
                fields=["organisation_id"],
                condition=Q(low_balance_uc__isnull=False),
                name="supermarket_watched_wallets",
            )
        ]


class Approval(models.Model):
    """What somebody said of an order that can cost more than its organisation lets one person alone order.

    above_uc: the limit when it was asked. decision: empty while nobody has said anything, also once it is too late.
    used_by: the order for which an approval was used that came after the quote had expired; it is good for one.
    """

    id = models.CharField(max_length=64, primary_key=True)
    order = models.OneToOneField("supermarket.Order", models.PROTECT, related_name="approval")
    above_uc = models.BigIntegerField()
    asked_at = models.DateTimeField()
    decision = models.CharField(max_length=16, blank=True)
    decided_by = models.CharField(max_length=64, blank=True)
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=1000, blank=True)
    used_by = models.CharField(max_length=64, blank=True)
