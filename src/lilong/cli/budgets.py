"""Commands about budgets: how they stand, setting and ending them, approvals and a low wallet."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, messages, print_fields, print_json, print_table
from lilong.cli.projects import find_project_id
from lilong.common.errors import InputInvalid
from lilong.common.money import parse_credits

app = typer.Typer(help="The most that orders may come to, approvals, and when the wallet is low.", no_args_is_help=True)

NONE = "none"


class BudgetSubjectsBoth(InputInvalid):
    """A budget is about a project or about a person."""

    code = "cli.budget_of_both"
    title = "A budget is about a project or a person, not both"
    next_step = "Set one budget for each."


@app.command("list")
def list_budgets(as_json: AsJson = False) -> None:
    """List budgets with what is left of each; what is held counts with the most that it can cost."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.budgets.list())
        if as_json:
            print_json(found)
            return
        names = {project.id: project.name for project in hub.projects.list()}
        rows = [
            (
                budget.id,
                budget.name,
                " ".join(filter(None, (budget.scope, names.get(budget.subject_id, budget.subject_id)))),
                budget.period,
                credits_text(budget.room.limit_uc),
                credits_text(budget.room.charged_uc),
                credits_text(budget.room.held_uc),
                credits_text(budget.room.left_uc),
                format_time(budget.room.resets_at),
            )
            for budget in found
        ]
        columns = ("Budget", "Name", "Of", "Period", "Limit", "Charged", "Held", "Left", "Anew")
        print_table(title="Budgets", columns=columns, rows=rows, right=frozenset(columns[4:8]))


@app.command("set")
def set_budget(
    name: Annotated[str, typer.Argument(help="Name of the budget; whoever it refuses reads it.")],
    limit: Annotated[str, typer.Argument(metavar="CREDITS", help="Most that the orders may come to.")],
    *,
    project: Annotated[str, typer.Option(help="Name or id of the project whose orders count.")] = "",
    person: Annotated[str, typer.Option(metavar="ID", help="Person whose orders count; see `lilong members`.")] = "",
    endless: Annotated[bool, typer.Option("--endless", help="Without end, instead of each calendar month.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a budget: of the organisation, or of one project or person. It replaces the one about the same orders."""
    with hub_session(as_json=as_json) as hub:
        if project and person:
            raise BudgetSubjectsBoth
        scope = "project" if project else "person" if person else "organisation"
        budget_id = hub.budgets.set(
            name=name,
            limit_uc=parse_credits(limit),
            scope=scope,
            subject_id=find_project_id(hub, project) if project else person,
            period="open" if endless else "month",
        )
        if as_json:
            print_json({"id": budget_id})
        else:
            messages.print(f"{budget_id} holds from the next quote or order on.")


@app.command("end")
def end_budget(budget_id: Annotated[str, typer.Argument(help="Id of the budget.")], as_json: AsJson = False) -> None:
    """End a budget; what it decided is kept."""
    with hub_session(as_json=as_json) as hub:
        hub.budgets.end(budget_id)
        if as_json:
            print_json({"id": budget_id})
        else:
            messages.print(f"{budget_id} limits nothing any more.")


@app.command("decisions")
def list_decisions(as_json: AsJson = False) -> None:
    """List what budgets said of quotes and orders, newest first, with the distance from their limit."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.budgets.list_decisions())
        if as_json:
            print_json(found)
            return
        rows = [
            (
                format_time(said.decided_at),
                said.budget_name,
                said.order_id,
                said.step,
                said.code or "let it be",
                credits_text(said.asked_uc),
                credits_text(said.distance_uc),
            )
            for said in found
        ]
        columns = ("At", "Budget", "Order", "Step", "Decision", "Asked", "Distance")
        print_table(title="Decisions", columns=columns, rows=rows, right=frozenset({"Asked", "Distance"}))


@app.command("rule")
def rule(
    approval_above: Annotated[
        str, typer.Option(metavar="CREDITS", help="Orders that can cost more need an approval; `none` for no order.")
    ] = "",
    low_balance: Annotated[
        str, typer.Option(metavar="CREDITS", help="Tell when less is available in the wallet; `none` for never.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show, or change, which orders need the approval of another owner or admin, and when the wallet is low."""
    with hub_session(as_json=as_json) as hub:
        now = hub.budgets.get_rule()
        if approval_above or low_balance:
            now = hub.budgets.set_rule(
                approval_above_uc=_read_limit(approval_above, unless=now.approval_above_uc),
                low_balance_uc=_read_limit(low_balance, unless=now.low_balance_uc),
            )
        if as_json:
            print_json(now)
            return
        print_fields(
            {
                "Approval above": credits_text(now.approval_above_uc),
                "Wallet low below": credits_text(now.low_balance_uc),
                "Wallet is low": "yes" if now.is_low else "no",
            }
        )


def _read_limit(text: str, *, unless: int | None) -> int | None:
    if text == NONE:
        return None
    return parse_credits(text) if text else unless
