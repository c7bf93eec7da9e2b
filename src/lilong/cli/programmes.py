"""The command `programmes`: what each programme would pay, what it asks for, and for operators its rules."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, print_json, print_next_step, print_table
from lilong.common.errors import InputInvalid
from lilong.common.time import parse_moment
from lilong.sdk.programme_reports import ProgrammeFlows, ProgrammeReport
from lilong.sdk.programmes import Pays, Replay

app = typer.Typer(no_args_is_help=True, help="What programmes would pay, and their rules.")

MOMENT_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
RuleFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TOML file of the rule.")]


class RuleFileInvalid(InputInvalid):
    """The file is no TOML, so that it cannot be sent."""

    code = "programmes.file_invalid"
    title = "This file cannot be read as a voucher rule"
    next_step = "Begin with one of `lilong programmes examples`; docs/reference/voucher-rules.md tells every field."


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show what each programme would pay the organisation now, why or why not."""
    with hub_session(as_json=as_json) as hub:
        found = hub.programmes.list_entitlements()
        if as_json:
            print_json({"programmes": found})
            return
        rows = [
            (each.programme_name, _origin(pays), f"{pays.rate_ppm / 10_000:g} %", pays.message or "entitled")
            for each in found
            for pays in each.pays
        ]
        columns = ("Programme", "Accelerator, provider", "Pays", "Why")
        print_table(title="Programmes", columns=columns, rows=rows, right=frozenset({"Pays"}))
        if any(not each.is_entitled for each in found):
            print_next_step("Say what rules ask of your organisation with `lilong programmes declare`.")


@app.command()
def declare(
    country: Annotated[str, typer.Option(help="Where it is registered, by two letters.")] = "",
    founded_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of founding.")] = None,
    head_count: Annotated[int | None, typer.Option(min=0, help="People who work there.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="What for; may be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """Declare what voucher rules ask of the organisation; what is left out is declared no more."""
    with hub_session(as_json=as_json) as hub:
        hub.programmes.declare(
            country=country,
            founded_on=founded_on.date() if founded_on else None,
            head_count=head_count,
            purposes=purpose or (),
        )
        if as_json:
            print_json({"declared": True})
            return
        print_next_step("See what it changes with `lilong programmes list`.")


@app.command()
def decisions(as_json: AsJson = False) -> None:
    """Show the decisions on vouchers of the organisation, with rule version and reason."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.programmes.list_decisions())
        if as_json:
            print_json({"decisions": found})
            return
        rows = [
            (
                format_time(each.decided_at),
                each.programme_name,
                credits_text(each.amount_uc),
                f"version {each.rule_version}",
                each.reason or "given",
            )
            for each in found
        ]
        columns = ("At", "Programme", "Amount", "Rule", "Decision")
        print_table(title="Decisions", columns=columns, rows=rows, right=frozenset({"Amount"}))


@app.command()
def examples(
    name: Annotated[str, typer.Argument(help="Which one to print; without it, all names.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print a rule that comes as an example, each modelled on a published one; copy and change it."""
    with hub_session(as_json=as_json) as hub:
        packs = {each.name: each.pack for each in hub.programmes.list_examples()}
        if as_json:
            print_json({"examples": packs})
        elif name in packs:
            typer.echo(packs[name], nl=False)
        elif name:
            raise RuleFileInvalid(detail=f"There is no example {name}. There are: {', '.join(packs)}.")
        else:
            typer.echo("\n".join(packs))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the programme.")], file: RuleFile, as_json: AsJson = False
) -> None:
    """Create a programme with the first version of its rule; for operators."""
    with hub_session(as_json=as_json) as hub:
        programme_id = hub.programmes.create(name=name, rule=_read_rule(file))
        if as_json:
            print_json({"id": programme_id})
            return
        typer.echo(programme_id)


@app.command()
def publish(
    programme_id: Annotated[str, typer.Argument(help="Id of the programme.")],
    file: RuleFile,
    valid_from: Annotated[
        datetime, typer.Option("--from", formats=MOMENT_FORMATS, help="From when it is in force, in UTC.")
    ],
    as_json: AsJson = False,
) -> None:
    """Hand in the next version of a programme's rule, which another operator approves. For operators.

    The file says its version and its cases. What was issued and quoted keeps its own version.
    """
    with hub_session(as_json=as_json) as hub:
        pack, moment = _read_text(file), valid_from.replace(tzinfo=UTC)
        case_id = hub.programmes.propose_rule(programme_id, pack=pack, valid_from=moment)
        if as_json:
            print_json({"case_id": case_id})
            return
        typer.echo(case_id)
        print_next_step("Another operator decides: `lilong cases approve`.")


@app.command()
def replay(
    file: RuleFile,
    begins_on: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, of UTC.")],
    ends_on: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="Day after the last.")],
    programme: Annotated[
        str, typer.Option(help="Id of the programme whose vouchers carry it; without it, as one of its own.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say what a rule would have cost in a period, and who would have gained or lost; for operators.

    Nothing is published. It assumes that everybody would have done what they did.
    """
    with hub_session(as_json=as_json) as hub:
        found = hub.programmes.replay(
            rule=_read_rule(file), begins_on=begins_on.date(), ends_on=ends_on.date(), programme_id=programme
        )
        if as_json:
            print_json(found)
            return
        _print_costs(found)
        _print_changes(found)
        print_next_step("This assumes that everybody would have done what they did. Nothing was published.")


@app.command()
def report(
    programme_id: Annotated[str, typer.Argument(help="Id of the programme.")],
    at: Annotated[str, typer.Option(help="A moment such as 2026-03-01T00:00:00Z; now if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what became of a programme's money until a moment; nothing that happens later changes it. For operators."""
    with hub_session(as_json=as_json) as hub:
        found = hub.programmes.report(programme_id, at=parse_moment(at) if at else None)
        if as_json:
            print_json(found)
            return
        _print_report(found)


def _print_report(found: ProgrammeReport) -> None:
    figures = ("granted_uc", "issued_uc", "spent_uc", "given_back_uc", "expired_uc", "reserved_uc", "held_uc")
    left = ("fund_uc", "vouchers_uc")
    rows: list[tuple[str, ProgrammeFlows]] = [
        ("all", found.total),
        *((f"version {each.version}", each) for each in found.versions),
        *((each.organisation_id, each) for each in found.organisations),
        *((each.month, each) for each in found.months),
    ]
    columns = (
        "",
        *(name.removesuffix("_uc").replace("_", " ") for name in figures),
        "left in fund",
        "left on vouchers",
    )
    print_table(
        title=f"{found.name} as of {format_time(found.at)}",
        columns=columns,
        rows=[(name, *(credits_text(getattr(each, figure)) for figure in (*figures, *left))) for name, each in rows],
        right=frozenset(columns[1:]),
    )
    refusals = [
        (f"version {each.version}", each.code, str(each.applications), str(each.quotes)) for each in found.refused
    ]
    counted = ("Applications", "Quotes")
    print_table(title="Refused", columns=("Rule", "Why", *counted), rows=refusals, right=frozenset(counted))


def _print_costs(found: Replay) -> None:
    months = [(each.month, each) for each in found.months]
    rows = [
        (name, str(paid.orders), *map(credits_text, (paid.due_uc, paid.draft_uc, paid.draft_was_uc, paid.others_uc)))
        for name, paid in [*months, ("all", found.total)]
    ]
    columns = ("Settled in", "Orders", "Due", "This rule pays", "Paid in its place", "Other vouchers pay")
    print_table(title="What it would have cost", columns=columns, rows=rows, right=frozenset(columns[1:]))
    reasons = [
        *((f"refused: {each.code}", each.number, each.amount_uc) for each in found.refused),
        ("had no voucher of it", found.without_voucher.number, found.without_voucher.amount_uc),
        *((f"cut by {each.clause}", each.number, each.amount_uc) for each in found.cut),
        ("vouchers beyond the budget of a year", found.withheld.number, found.withheld.amount_uc),
        ("orders that keep what was paid", found.kept.orders, found.kept.due_uc),
    ]
    less = [(why, str(number), credits_text(amount_uc)) for why, number, amount_uc in reasons if number]
    print_table(
        title="What it refuses",
        columns=("Why it pays less", "Number", "Amount"),
        rows=less,
        right=frozenset({"Number", "Amount"}),
    )


def _print_changes(found: Replay) -> None:
    who = found.organisations
    typer.echo(
        f"{who.gaining.number} organisations gain {credits_text(who.gaining.amount_uc)}, "
        f"{who.losing.number} lose {credits_text(-who.losing.amount_uc)}, {who.unchanged} do neither."
    )
    rows = [(each.organisation_id, credits_text(each.due_uc), credits_text(each.gain_uc)) for each in found.changes]
    columns = ("Organisation", "Due", "Gains")
    print_table(title="Who gains and loses", columns=columns, rows=rows, right=frozenset(columns[1:]))


def _origin(pays: Pays) -> str:
    return f"{pays.accelerator}, {pays.provider}"


def _read_rule(file: Path) -> dict[str, JsonValue]:
    """Return the rule of a file, without the number and the cases that it has as a version to be published."""
    try:
        document = tomllib.loads(_read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise RuleFileInvalid(detail=f"{file} is no TOML: {error}") from error
    rule: dict[str, JsonValue] = json.loads(json.dumps(document, default=str))
    return {name: said for name, said in rule.items() if name not in {"version", "cases"}}


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RuleFileInvalid(detail=f"{file} is no text in UTF-8: {error}") from error
