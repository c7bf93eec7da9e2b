"""The command `programmes`: what each programme would pay, what it asks for, and for operators its rules."""

import json
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, print_json, print_next_step, print_table
from lilong.common.errors import InputInvalid
from lilong.sdk.programmes import Pays

app = typer.Typer(no_args_is_help=True, help="What programmes would pay, and their rules.")

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
    programme_id: Annotated[str, typer.Argument(help="Id of the programme.")], file: RuleFile, as_json: AsJson = False
) -> None:
    """Publish the next version of a programme's rule; what was issued and quoted keeps its own. For operators."""
    with hub_session(as_json=as_json) as hub:
        version = hub.programmes.publish_rule(programme_id, rule=_read_rule(file))
        if as_json:
            print_json({"version": version})
            return
        typer.echo(f"version {version}")


def _origin(pays: Pays) -> str:
    return f"{pays.accelerator}, {pays.provider}"


def _read_rule(file: Path) -> dict[str, JsonValue]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleFileInvalid(detail=f"{file} is no TOML: {error}") from error
    rule: dict[str, JsonValue] = json.loads(json.dumps(document, default=str))
    return rule
