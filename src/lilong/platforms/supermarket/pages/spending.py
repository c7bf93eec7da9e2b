"""The page of what an organisation allows itself to spend: projects, budgets, approvals, and a low wallet."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.forms import render_form
from lilong.common.django.people import find_actor, for_member
from lilong.common.money import format_credits
from lilong.common.permissions import Role, Scope, may, require
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import list_people
from lilong.platforms.supermarket.core.budgets import BudgetPeriod
from lilong.platforms.supermarket.pages.spending_forms import BudgetForm, ProjectForm, RuleForm
from lilong.platforms.supermarket.queries.budgets import (
    BudgetView,
    SpendingRuleView,
    get_spending_rule,
    list_budget_decisions,
    list_budgets,
    list_projects,
)
from lilong.platforms.supermarket.services.budgets import SPENDERS, close_project, end_budget, open_project, set_budget
from lilong.platforms.supermarket.services.spending import set_spending_rule

DECISIONS_SHOWN = 10


@require_safe
@for_member
def show_spending(request: HttpRequest) -> HttpResponseBase:
    """Show budgets with what is left of each, projects, and both limits."""
    return _render(request)


@require_POST
@for_member
def add_budget(request: HttpRequest) -> HttpResponseBase:
    """Set a budget."""
    actor = find_actor(request)
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    form = _make_budget_form(request, request.POST)
    if not form.is_valid():
        return _render(request, budget_form=form)
    scope, subject_id = form.read_about()
    set_budget(
        actor=actor,
        name=form.cleaned_data["name"],
        scope=scope,
        subject_id=subject_id,
        period=BudgetPeriod(form.cleaned_data["period"]),
        limit_uc=form.cleaned_data["limit"],
        now=utc_now(),
    )
    messages.success(request, _("The budget holds from the next quote or order on."))
    return redirect("spending")


@require_POST
@for_member
def stop_budget(request: HttpRequest, budget_id: str) -> HttpResponseBase:
    """End a budget."""
    end_budget(actor=find_actor(request), budget_id=budget_id, now=utc_now())
    messages.success(request, _("The budget limits nothing any more."))
    return redirect("spending")


@require_POST
@for_member
def add_project(request: HttpRequest) -> HttpResponseBase:
    """Open a project."""
    actor = find_actor(request)
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    form = ProjectForm(request.POST)
    if not form.is_valid():
        return _render(request, project_form=form)
    open_project(actor=actor, name=form.cleaned_data["project_name"], now=utc_now())
    return redirect("spending")


@require_POST
@for_member
def stop_project(request: HttpRequest, project_id: str) -> HttpResponseBase:
    """Close a project."""
    close_project(actor=find_actor(request), project_id=project_id, now=utc_now())
    messages.success(request, _("Nothing more is quoted for this project; what runs goes on."))
    return redirect("spending")


@require_POST
@for_member
def change_rule(request: HttpRequest) -> HttpResponseBase:
    """Set which orders need an approval, and when the wallet is low."""
    actor = find_actor(request)
    require(may(actor, roles=SPENDERS, scope=Scope.PAY))
    form = RuleForm(request.POST)
    if not form.is_valid():
        return _render(request, rule_form=form)
    set_spending_rule(
        actor=actor,
        approval_above_uc=form.cleaned_data["approval_above"],
        low_balance_uc=form.cleaned_data["low_balance"],
        now=utc_now(),
    )
    messages.success(request, _("Saved."))
    return redirect("spending")


def _render(
    request: HttpRequest,
    *,
    budget_form: BudgetForm | None = None,
    project_form: ProjectForm | None = None,
    rule_form: RuleForm | None = None,
) -> HttpResponseBase:
    actor, now = find_actor(request), utc_now()
    rule, projects, people = get_spending_rule(actor=actor), list_projects(actor=actor), _name_people(request)
    names = {project.id: project.name for project in projects} | people
    context: dict[str, Any] = {
        "budgets": [(budget, _name_subject(budget, names)) for budget in list_budgets(actor=actor, now=now)],
        "decisions": list_budget_decisions(actor=actor, cursor=None, limit=DECISIONS_SHOWN).items,
        "projects": projects,
        "rule": rule,
        "budget_form": budget_form or BudgetForm(projects=projects, people=people),
        "project_form": project_form or ProjectForm(),
        "rule_form": rule_form or RuleForm(initial=_write_rule(rule)),
        "may_set": may(actor, roles=SPENDERS, scope=Scope.PAY).allowed,
        "actor": actor,
        "now": now,
    }
    is_refused = any((budget_form, project_form, rule_form))
    return render_form(request, "supermarket/spending.html", context, is_refused=is_refused)


def _make_budget_form(request: HttpRequest, given: QueryDict | None) -> BudgetForm:
    return BudgetForm(given, projects=list_projects(actor=find_actor(request)), people=_name_people(request))


def _name_people(request: HttpRequest) -> dict[str, str]:
    people = list_people(organisation_id=find_actor(request).organisation_id, roles=frozenset(Role))
    return {person.person_id: person.name for person in people}


def _name_subject(budget: BudgetView, names: dict[str, str]) -> str:
    return names.get(budget.subject_id, budget.subject_id)


def _write_rule(rule: SpendingRuleView) -> dict[str, str]:
    amounts = {"approval_above": rule.approval_above_uc, "low_balance": rule.low_balance_uc}
    return {name: format_credits(amount_uc) for name, amount_uc in amounts.items() if amount_uc is not None}
