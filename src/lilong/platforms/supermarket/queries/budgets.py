"""Reads of budgets and projects: what counts against each, what it said of orders, and what can be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, Sum

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.platforms.funding.public.orders import find_hub_zone
from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetRoom, BudgetScope, find_month
from lilong.platforms.supermarket.models import Budget, BudgetDecision, Order, Project, SpendingRule


class ProjectMissing(NotFound):
    """The organisation has no open project of this id."""

    code = "project.missing"
    title = "There is no such project"
    next_step = "List the projects of your organisation, or order without one."


@dataclass(frozen=True, slots=True)
class ProjectView:
    """What an organisation orders for."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget, what counts against it, and what it is about: the name of a project, the id of a person, or neither."""

    id: str
    name: str
    scope: BudgetScope
    subject_id: str
    period: BudgetPeriod
    begins_at: datetime
    room: BudgetRoom


@dataclass(frozen=True, slots=True)
class BudgetDecisionView:
    """What a budget said of one order; distance_uc: what was left beyond the order, below zero what was missing."""

    id: str
    budget_id: str
    budget_name: str
    order_id: str
    step: str
    limit_uc: int
    used_uc: int
    asked_uc: int
    code: str
    reason: str
    decided_at: datetime

    @property
    def left_uc(self) -> int:
        """What was left before the order."""
        return max(self.limit_uc - self.used_uc, 0)

    @property
    def distance_uc(self) -> int:
        """How far the order was from the limit."""
        return self.limit_uc - self.used_uc - self.asked_uc


@dataclass(frozen=True, slots=True)
class SpendingRuleView:
    """What an organisation set besides budgets; None for what it did not. is_low: of its wallet, as last told."""

    approval_above_uc: int | None
    low_balance_uc: int | None
    is_low: bool


def list_budgets(*, actor: Actor, now: datetime) -> list[BudgetView]:
    """Return the budgets of the actor's own organisation by name. Three queries."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = list(Budget.objects.filter(organisation_id=actor.organisation_id, ended_at=None).order_by("name"))
    rooms = _measure(rows, now=now)
    return [
        BudgetView(
            id=row.id,
            name=row.name,
            scope=BudgetScope(row.scope),
            subject_id=row.subject_id,
            period=BudgetPeriod(row.period),
            begins_at=row.begins_at,
            room=room,
        )
        for row, room in zip(rows, rooms, strict=True)
    ]


def list_rooms(*, order: Order, now: datetime) -> list[BudgetRoom]:
    """Return the budgets that an order counts against, as they stand without it: by name. Three queries, or one.

    An order that is held counts with the most that it can cost, in whatever month it is; one that is settled with what
    it was charged, in the month of the hub's time zone in which it was settled.
    """
    live = Budget.objects.filter(organisation_id=order.organisation_id, ended_at=None)
    own = Q(scope=BudgetScope.ORGANISATION) | Q(scope=BudgetScope.PERSON, subject_id=order.person_id)
    if order.project_id:
        own |= Q(scope=BudgetScope.PROJECT, subject_id=order.project_id)
    return _measure(list(live.filter(own).order_by("name")), now=now)


def list_projects(*, actor: Actor) -> list[ProjectView]:
    """Return the open projects of the actor's own organisation by name. One query."""
    rows = Project.objects.filter(organisation_id=actor.organisation_id, closed_at=None).order_by("name")
    return [ProjectView(id=row.id, name=row.name, created_at=row.created_at) for row in rows]


def find_project(*, organisation_id: str, project_id: str) -> Project | None:
    """Return an open project to order for, None for an empty id; raises ProjectMissing."""
    if not project_id:
        return None
    project = Project.objects.filter(organisation_id=organisation_id, id=project_id, closed_at=None).first()
    if project is None:
        raise ProjectMissing(detail=say("There is no open project {project_id} here.", project_id=project_id[:64]))
    return project


def find_project_named(*, organisation_id: str, name: str) -> str:
    """Return the id of an open project, empty for an empty name; raises ProjectMissing."""
    if not name:
        return ""
    project = Project.objects.filter(organisation_id=organisation_id, name=name, closed_at=None).first()
    if project is None:
        raise ProjectMissing(detail=say("There is no open project called {name} here.", name=name))
    return project.id


def list_budget_decisions(*, actor: Actor, cursor: str | None, limit: int) -> Page[BudgetDecisionView]:
    """Return a page of what the budgets of the actor's own organisation said of orders, newest first. One query."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = BudgetDecision.objects.filter(organisation_id=actor.organisation_id).select_related("budget")
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(
        items=[
            BudgetDecisionView(
                id=row.id,
                budget_id=row.budget_id,
                budget_name=row.budget.name,
                order_id=row.order_id,
                step=row.step,
                limit_uc=row.limit_uc,
                used_uc=row.used_uc,
                asked_uc=row.asked_uc,
                code=row.code,
                reason=row.reason,
                decided_at=row.decided_at,
            )
            for row in page.items
        ],
        next_cursor=page.next_cursor,
    )


def get_spending_rule(*, actor: Actor) -> SpendingRuleView:
    """Return what the actor's own organisation set besides budgets. One query."""
    row = SpendingRule.objects.filter(organisation_id=actor.organisation_id).first()
    if row is None:
        return SpendingRuleView(approval_above_uc=None, low_balance_uc=None, is_low=False)
    return SpendingRuleView(
        approval_above_uc=row.approval_above_uc, low_balance_uc=row.low_balance_uc, is_low=row.is_low
    )


def _measure(budgets: Sequence[Budget], *, now: datetime) -> list[BudgetRoom]:
    """Sum up what counts against budgets of one organisation. Two queries.

    Cost: linear in the organisation's orders that are held, and in those settled since the earliest budget began.
    """
    if not budgets:
        return []
    month_began_at, month_ends_at = find_month(now=now, zone=find_hub_zone())
    begins = {
        budget.id: month_began_at if budget.period == BudgetPeriod.MONTH else budget.begins_at for budget in budgets
    }
    orders = Order.objects.filter(organisation_id=budgets[0].organisation_id)
    held = orders.running().aggregate(
        **{budget.id: Sum("max_uc", filter=_covers(budget), default=0) for budget in budgets}
    )
    charged = orders.filter(settled_at__gte=min(begins.values())).aggregate(
        **{
            budget.id: Sum("due_uc", filter=_covers(budget) & Q(settled_at__gte=begins[budget.id]), default=0)
            for budget in budgets
        }
    )
    return [
        BudgetRoom(
            budget_id=budget.id,
            name=budget.name,
            limit_uc=budget.limit_uc,
            held_uc=held[budget.id],
            charged_uc=charged[budget.id],
            resets_at=month_ends_at if budget.period == BudgetPeriod.MONTH else None,
        )
        for budget in budgets
    ]


def _covers(budget: Budget) -> Q:
    """Return which orders of the organisation count."""
    if budget.scope == BudgetScope.PROJECT:
        return Q(project=budget.subject_id)
    if budget.scope == BudgetScope.PERSON:
        return Q(person_id=budget.subject_id)
    return Q(organisation_id=budget.organisation_id)
