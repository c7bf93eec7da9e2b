"""Commands about cases: what was asked, how it was decided, and appeals."""

from enum import StrEnum
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_fields, print_json, print_next_step, print_table
from lilong.sdk.cases import Case

app = typer.Typer(help="Requests that people, or a published rule, decide.", no_args_is_help=True)

CaseId = Annotated[str, typer.Argument(help="Id of the case.")]
Why = Annotated[str, typer.Option("--reason", help="Why; whoever the case concerns reads it.")]


class State(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


@app.command("list")
def list_cases(
    state: Annotated[State | None, typer.Option(help="Only cases in this state.")] = None,
    kind: Annotated[str, typer.Option(help="Only cases of this kind, such as ledger.top_up.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only cases whose time ran out.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the cases that concern your organisation; operators see all."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.cases.list(state=state or "", kind=kind, overdue="true" if overdue else ""))
        if as_json:
            print_json(found)
            return
        rows = [
            (case.id, case.kind, _say_state(case), format_time(case.due_at), case.assigned_to or "–") for case in found
        ]
        print_table(title="Cases", columns=("Case", "Kind", "State", "Due", "Assigned"), rows=rows, right=frozenset())


@app.command("show")
def show_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """Show a case: what was asked, who said what, the rule, and what can be done next."""
    with hub_session(as_json=as_json) as hub:
        case = hub.cases.get(case_id)
        if as_json:
            print_json(case)
            return
        rule = f"{case.rule_name} {case.rule_version}, distance {case.rule_distance}" if case.rule_name else "none"
        fields: dict[str, object] = {
            "Case": case.id,
            "Kind": case.kind,
            "State": _say_state(case),
            "Opened": format_time(case.opened_at),
            "Due": format_time(case.due_at),
            "Reason": case.reason or "–",
            "Rule": rule,
        }
        print_fields(fields | {name.replace("_", " ").capitalize(): value for name, value in case.facts.items()})
        rows = [(each.person_id, each.decision, each.reason, format_time(each.given_at)) for each in case.opinions]
        print_table(title="Opinions", columns=("Person", "Says", "Why", "When"), rows=rows, right=frozenset())
        if case.next_step:
            print_next_step(case.next_step)


@app.command("approve")
def approve_case(case_id: CaseId, reason: Why, as_json: AsJson = False) -> None:
    """Approve a case; the last approval that it needs decides it."""
    _decide(case_id, "approve", reason, as_json=as_json)


@app.command("refuse")
def refuse_case(case_id: CaseId, reason: Why, as_json: AsJson = False) -> None:
    """Refuse a case; one refusal decides it."""
    _decide(case_id, "refuse", reason, as_json=as_json)


@app.command("assign")
def assign_case(
    case_id: CaseId,
    person_id: Annotated[str, typer.Argument(help="Id of the operator; leave it out to expect it from all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Expect the decision from one operator, who is told."""
    with hub_session(as_json=as_json) as hub:
        hub.cases.assign(case_id, person_id=person_id)
        if as_json:
            print_json({"case_id": case_id, "assigned_to": person_id})
        else:
            messages.print(f"{case_id} is expected from {person_id or 'all operators'}.")


@app.command("appeal")
def appeal(case_id: CaseId, reason: Why, as_json: AsJson = False) -> None:
    """Appeal against a refusal, once: people who had no say in it decide."""
    with hub_session(as_json=as_json) as hub:
        made = hub.cases.appeal(case_id, reason=reason)
        if as_json:
            print_json({"case_id": made})
            return
        print_fields({"Appeal": made})
        print_next_step(f"`lilong cases show {made}` says how it stands; you will be told when it is decided.")


def _decide(case_id: str, decision: str, reason: str, *, as_json: bool) -> None:
    with hub_session(as_json=as_json) as hub:
        case = hub.cases.decide(case_id, decision=decision, reason=reason)
        if as_json:
            print_json(case)
            return
        messages.print(f"{case.id} is {case.state}.")
        if case.state == State.OPEN:
            given = len(case.opinions)
            print_next_step(
                f"{given} of {case.approvals_needed} approvals are there; another operator has to give one."
            )


def _say_state(case: Case) -> str:
    overdue = ", overdue" if case.is_overdue and case.state == State.OPEN else ""
    overturned = f", {case.outcome} on appeal" if case.outcome not in {"", case.state} else ""
    return f"{case.state}{overdue}{overturned}"
