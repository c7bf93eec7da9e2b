"""Set budgets, open projects, and keep what budgets said of orders. One lock an organisation lets no two overspend."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict, InputInvalid, LimitReached, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say, shorten
from lilong.foundation.members.public.people import list_people
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetRoom, BudgetScope, check_budget
from lilong.platforms.supermarket.core.policy import BUDGETS_MAX, PROJECTS_MAX
from lilong.platforms.supermarket.core.states import OrderStep
from lilong.platforms.supermarket.models import Budget, BudgetDecision, Order, Project, SpendingRule
from lilong.platforms.supermarket.queries.budgets import find_project

SPENDERS = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING, Role.OPERATOR})
"""Who sets what their own organisation may spend."""
REASON_MAX = 1000


class BudgetMissing(NotFound):
    """The organisation has no such budget."""

    code = "budget.missing"
    title = "There is no such budget"
    next_step = "List the budgets of your organisation."


class BudgetNameTaken(Conflict):
    """Another budget of the organisation has this name."""

    code = "budget.name_taken"
    title = "Another budget has this name"
    next_step = "Choose another name, or end that budget first."


class BudgetSubjectMissing(InputInvalid):
    """A budget for one person has to say for whom, and it has to be somebody of the organisation."""

    code = "budget.subject_missing"
    title = "It is not said whose orders count"
    next_step = "Name a person of your organisation, or a project; for the whole organisation name neither."


class BudgetsFull(LimitReached):
    """The organisation has as many budgets as one may have."""

    code = "budget.too_many"
    title = "Your organisation has too many budgets"
    next_step = "End one that is not needed any more."


class ProjectNameTaken(Conflict):
    """Another open project of the organisation has this name."""

    code = "project.name_taken"
    title = "A project of this name is there already"
    next_step = "Use that one, or choose another name."


class ProjectsFull(LimitReached):
    """The organisation has as many open projects as one may have."""

    code = "project.too_many"
    title = "Your organisation has too many projects"
    next_step = "Close one that is not needed any more."


def set_budget(
    *,
    actor: Actor,
    name: str,
    scope: BudgetScope,
    subject_id: str,
    period: BudgetPeriod,
    limit_uc: int,
    now: datetime,
) -> str:
    """Set a budget of one's own organisation and return its id; it replaces the one about the same orders and period.

    subject_id: of the project or person, empty for the organisation. What counted before counts on, and nothing that is
    held or runs is touched, even where it is more than the limit. Raises what refuses it.
    """
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    with transaction.atomic():
        _require_subject(actor, scope, subject_id)
        lock_spending(organisation_id=actor.organisation_id)
        live = Budget.objects.filter(organisation_id=actor.organisation_id, ended_at=None)
        before = live.filter(scope=scope, subject_id=subject_id, period=period).first()
        others = live.exclude(id=before.id) if before else live
        if others.filter(name=name).exists():
            raise BudgetNameTaken
        if others.count() >= BUDGETS_MAX:
            raise BudgetsFull(facts={"limit": BUDGETS_MAX, "used": BUDGETS_MAX})
        if before:
            _end(before, now=now)
        budget = Budget.objects.create(
            id=new_id("bud"),
            organisation_id=actor.organisation_id,
            name=name,
            scope=scope,
            subject_id=subject_id,
            period=period,
            limit_uc=limit_uc,
            begins_at=before.begins_at if before else now,
            set_by=actor.person_id,
            set_at=now,
        )
        _record(budget, actor, limit_uc=limit_uc, now=now)
    return budget.id


def end_budget(*, actor: Actor, budget_id: str, now: datetime) -> None:
    """Let a budget of one's own organisation limit nothing any more; what it decided stays. Idempotent."""
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    with transaction.atomic():
        lock_spending(organisation_id=actor.organisation_id)
        budget = Budget.objects.filter(organisation_id=actor.organisation_id, id=budget_id).first()
        if budget is None:
            raise BudgetMissing(detail=say("There is no budget {budget_id} here.", budget_id=budget_id[:64]))
        if budget.ended_at is None:
            _end(budget, now=now)
            _record(budget, actor, limit_uc=None, now=now)


def open_project(*, actor: Actor, name: str, now: datetime) -> str:
    """Give one's own organisation a project to order for and return its id."""
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    with transaction.atomic():
        lock_spending(organisation_id=actor.organisation_id)
        projects = Project.objects.filter(organisation_id=actor.organisation_id, closed_at=None)
        if projects.filter(name=name).exists():
            raise ProjectNameTaken
        if projects.count() >= PROJECTS_MAX:
            raise ProjectsFull(facts={"limit": PROJECTS_MAX, "used": PROJECTS_MAX})
        project = Project.objects.create(
            id=new_id("prj"),
            organisation_id=actor.organisation_id,
            name=name,
            created_by=actor.person_id,
            created_at=now,
        )
    return project.id


def close_project(*, actor: Actor, project_id: str, now: datetime) -> None:
    """Take no new orders for a project; its budgets end, and what runs goes on. Raises ProjectMissing."""
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    with transaction.atomic():
        lock_spending(organisation_id=actor.organisation_id)
        project = find_project(organisation_id=actor.organisation_id, project_id=project_id)
        if project is not None:
            project.closed_at = now
            project.save(update_fields=["closed_at"])
            for budget in Budget.objects.filter(scope=BudgetScope.PROJECT, subject_id=project.id, ended_at=None):
                _end(budget, now=now)
                _record(budget, actor, limit_uc=None, now=now)


def lock_spending(*, organisation_id: str) -> SpendingRule:
    """Let nobody else count or change what the organisation may spend until the transaction ends."""
    SpendingRule.objects.get_or_create(organisation_id=organisation_id)
    return SpendingRule.objects.select_for_update().get(organisation_id=organisation_id)


def lock_limits(*, organisation_id: str) -> SpendingRule | None:
    """Return what limits an organisation's orders, locked as by `lock_spending`; None where nothing was ever set."""
    return SpendingRule.objects.select_for_update().filter(organisation_id=organisation_id).first()


def keep_decisions(*, order: Order, rooms: Sequence[BudgetRoom], step: OrderStep, asked_uc: int, now: datetime) -> None:
    """Keep what each budget says of an order, with the figures by which it does; refusals as well."""
    said = [(room, check_budget(room=room, asked_uc=asked_uc)) for room in rooms]
    BudgetDecision.objects.bulk_create(
        BudgetDecision(
            id=new_id("bdd"),
            organisation_id=order.organisation_id,
            budget_id=room.budget_id,
            order=order,
            step=step,
            limit_uc=room.limit_uc,
            used_uc=room.used_uc,
            asked_uc=asked_uc,
            code=refusal.code if refusal else "",
            reason=shorten(refusal.detail, at_most=REASON_MAX) if refusal else "",
            decided_at=now,
        )
        for room, refusal in said
    )


def _require_subject(actor: Actor, scope: BudgetScope, subject_id: str) -> None:
    if bool(subject_id) is (scope is BudgetScope.ORGANISATION):
        raise BudgetSubjectMissing
    if scope is BudgetScope.PROJECT:
        find_project(organisation_id=actor.organisation_id, project_id=subject_id)
    elif subject_id and not list_people(organisation_id=actor.organisation_id, person_ids=[subject_id]):
        raise BudgetSubjectMissing


def _end(budget: Budget, *, now: datetime) -> None:
    budget.ended_at = now
    budget.save(update_fields=["ended_at"])


def _record(budget: Budget, actor: Actor, *, limit_uc: int | None, now: datetime) -> None:
    append(
        kind="supermarket.budget",
        subject_id=budget.id,
        payload={
            "scope": budget.scope,
            "subject_id": budget.subject_id,
            "period": budget.period,
            "limit_uc": limit_uc,
            "set_by": actor.person_id,
        },
        organisation_id=budget.organisation_id,
        now=now,
    )
