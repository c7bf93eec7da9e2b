"""Projects, budgets and what else an organisation allows itself to spend, over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, Id, IdInPath, LimitInQuery, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetScope
from lilong.platforms.supermarket.core.policy import ORDER_MAX_UC
from lilong.platforms.supermarket.queries.budgets import (
    get_spending_rule,
    list_budget_decisions,
    list_budgets,
    list_projects,
)
from lilong.platforms.supermarket.services.budgets import SPENDERS, close_project, end_budget, open_project, set_budget
from lilong.platforms.supermarket.services.spending import set_spending_rule

router = Router(tags=["spending"])

ShortName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=63)]
LimitUc = Annotated[int, Field(ge=1, le=ORDER_MAX_UC, strict=True)]
AboveUc = Annotated[int, Field(ge=0, le=ORDER_MAX_UC, strict=True)]


class ProjectBody(RequestBody):
    """A project to order for."""

    name: ShortName


class ProjectOut(Schema):
    """What an organisation orders for."""

    id: str
    name: str
    created_at: datetime


class ProjectsOut(Schema):
    """All open projects of the organisation, by name."""

    items: list[ProjectOut]


class BudgetBody(RequestBody):
    """The most that orders may come to. subject_id: of the project or person; left out for the organisation."""

    name: ShortName
    scope: BudgetScope = BudgetScope.ORGANISATION
    subject_id: Id | None = None
    period: BudgetPeriod = BudgetPeriod.MONTH
    limit_uc: LimitUc


class RoomOut(Schema):
    """How a budget stands: live orders count with the most that they can cost, settled ones with their charge."""

    limit_uc: int
    held_uc: int
    charged_uc: int
    left_uc: int
    resets_at: datetime | None


class BudgetOut(Schema):
    """A budget. One without end counts what was settled since `begins_at`."""

    id: str
    name: str
    scope: BudgetScope
    subject_id: str
    period: BudgetPeriod
    begins_at: datetime
    room: RoomOut


class BudgetsOut(Schema):
    """All budgets of the organisation, by name."""

    items: list[BudgetOut]


class IdOut(Schema):
    """The id of what was made."""

    id: str


class BudgetDecisionOut(Schema):
    """What a budget said of one order; below zero `distance_uc` is what was missing; `code` and `reason` say why."""

    id: str
    budget_id: str
    budget_name: str
    order_id: str
    step: str
    limit_uc: int
    used_uc: int
    asked_uc: int
    distance_uc: int
    code: str
    reason: str
    decided_at: datetime


class BudgetDecisionPageOut(Schema):
    """A page of what budgets said, newest first."""

    items: list[BudgetDecisionOut]
    next_cursor: str | None


class SpendingRuleBody(RequestBody):
    """Both limits of the organisation; null for none.

    approval_above_uc: orders that can cost more need the approval of another owner or admin. low_balance_uc: below it
    the wallet is low, which owners, admins and who looks after money are told once.
    """

    approval_above_uc: AboveUc | None
    low_balance_uc: LimitUc | None


class SpendingRuleOut(Schema):
    """Both limits of the organisation, and whether its wallet is low, as it was last told."""

    approval_above_uc: int | None
    low_balance_uc: int | None
    is_low: bool


@router.get("/projects", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ProjectsOut, **PROBLEMS})
def show_projects(request: HttpRequest) -> object:
    """List the organisation's open projects; there are a hundred at most."""
    return {"items": list_projects(actor=get_actor(request))}


@router.post("/projects", openapi_extra=allow(SPENDERS, Scope.PAY), response={201: IdOut, **PROBLEMS})
def create_project(request: HttpRequest, body: ProjectBody) -> object:
    """Open a project of one's own organisation, to be chosen when a job is quoted."""
    return Status(201, {"id": open_project(actor=get_actor(request), name=body.name, now=utc_now())})


@router.delete("/projects/{project_id}", openapi_extra=allow(SPENDERS, Scope.PAY), response={204: None, **PROBLEMS})
def delete_project(request: HttpRequest, project_id: IdInPath) -> object:
    """Close a project: nothing more is quoted for it, its budgets end, and what runs goes on."""
    close_project(actor=get_actor(request), project_id=project_id, now=utc_now())
    return Status(204, None)


@router.get("/budgets", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: BudgetsOut, **PROBLEMS})
def show_budgets(request: HttpRequest) -> object:
    """List the organisation's budgets and how each stands; there are fifty at most."""
    return {"items": list_budgets(actor=get_actor(request), now=utc_now())}


@router.post("/budgets", openapi_extra=allow(SPENDERS, Scope.PAY), response={201: IdOut, **PROBLEMS})
def put_budget(request: HttpRequest, body: BudgetBody) -> object:
    """Set a budget; it replaces the one about the same orders and period, and what counted goes on counting."""
    budget_id = set_budget(
        actor=get_actor(request),
        name=body.name,
        scope=body.scope,
        subject_id=body.subject_id or "",
        period=body.period,
        limit_uc=body.limit_uc,
        now=utc_now(),
    )
    return Status(201, {"id": budget_id})


@router.delete("/budgets/{budget_id}", openapi_extra=allow(SPENDERS, Scope.PAY), response={204: None, **PROBLEMS})
def delete_budget(request: HttpRequest, budget_id: IdInPath) -> object:
    """End a budget: it limits nothing any more, and what it decided is kept."""
    end_budget(actor=get_actor(request), budget_id=budget_id, now=utc_now())
    return Status(204, None)


@router.get(
    "/budget-decisions", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: BudgetDecisionPageOut, **PROBLEMS}
)
def show_decisions(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List what budgets said of orders when they were quoted and when their money was to be held, newest first."""
    return list_budget_decisions(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get("/spending-rule", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: SpendingRuleOut, **PROBLEMS})
def show_rule(request: HttpRequest) -> object:
    """Show above which amount orders need an approval, and below which the wallet is low."""
    return get_spending_rule(actor=get_actor(request))


@router.put("/spending-rule", openapi_extra=allow(SPENDERS, Scope.PAY), response={200: SpendingRuleOut, **PROBLEMS})
def put_rule(request: HttpRequest, body: SpendingRuleBody) -> object:
    """Set both limits; orders that wait already go on waiting."""
    actor = get_actor(request)
    set_spending_rule(
        actor=actor, approval_above_uc=body.approval_above_uc, low_balance_uc=body.low_balance_uc, now=utc_now()
    )
    return get_spending_rule(actor=actor)
