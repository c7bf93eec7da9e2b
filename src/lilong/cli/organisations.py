"""Commands about organisations: founding one, and what each is at the hub."""

import tomllib
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, messages, print_fields, print_json, print_next_step, print_table
from lilong.common.errors import InputInvalid

app = typer.Typer(help="Found an organisation, and see what it is at the hub.", no_args_is_help=True)

OrganisationId = Annotated[str, typer.Argument(help="Id of the organisation.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the record.")]


class OwnersUnreadable(InputInvalid):
    """The file does not name owners as it should."""

    code = "cli.owners_unreadable"
    title = "This file names no owners"
    next_step = "Write a table [[owners]] for each, with percent and an id, or a name and a registration_number."


class Foundable(StrEnum):
    """What an organisation can be for."""

    MAKER = "maker"
    RESIDENT = "resident"
    VIRTUAL = "virtual"
    CHAIN = "chain"
    PROVIDER = "provider"
    SPONSOR = "sponsor"
    INVESTOR = "investor"


class Standing(StrEnum):
    """What an organisation can be at the hub."""

    RESIDENT = "resident"
    VIRTUAL = "virtual"
    CHAIN = "chain"
    PROVIDER = "provider"
    SPONSOR = "sponsor"
    INVESTOR = "investor"


@app.command("found")
def found_organisation(
    name: Annotated[str, typer.Argument(help="Its name; a maker's may be left out and is then your own.")] = "",
    kind: Annotated[Foundable, typer.Option(help="What it is for; a maker is one person without a company.")] = (
        Foundable.MAKER
    ),
    as_json: AsJson = False,
) -> None:
    """Found another organisation of your own, which applies for admission, and show its token this once."""
    with hub_session(as_json=as_json) as hub:
        made = hub.organisations.found(name=name, kind=kind)
        if as_json:
            print_json(made)
            return
        print_fields({"Organisation": made.organisation_id, "Token": made.token.secret})
        print_next_step("`lilong login URL` with this token acts for it; `lilong whoami` says whether it is admitted.")


@app.command("standings")
def list_standings(
    organisation_id: Annotated[str, typer.Argument(help="Id of the organisation; left out: your own.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what an organisation is, was and will be at the hub."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.organisations.list_standings(organisation_id or hub.organisations.get_me().organisation.id))
        if as_json:
            print_json(found)
            return
        rows = [
            (each.id, each.kind, each.starts_on, each.ends_on or "–", "yes" if each.holds_today else "no", each.reason)
            for each in found
        ]
        columns = ("Standing", "As", "From", "Until", "Today", "Why")
        print_table(title="Standings", columns=columns, rows=rows, right=frozenset())


@app.command("needs")
def list_needs(as_json: AsJson = False) -> None:
    """List what your organisation can ask to be, with which documents, and what it has asked for already."""
    with hub_session(as_json=as_json) as hub:
        offers, asked = hub.organisations.list_standing_offers(), hub.organisations.list_standing_applications()
        if as_json:
            print_json({"offers": offers, "applications": asked})
            return
        cases = {each.kind: each.case_id for each in asked}
        rows = [
            (
                each.kind,
                each.days,
                ", ".join(document.kind for document in each.shown) or "–",
                ", ".join(each.lacking) or "–",
                cases.get(each.kind, "–"),
            )
            for each in offers
        ]
        columns = ("As", "Days", "Documents there", "Missing", "Asked for by case")
        print_table(title="Standings to apply for", columns=columns, rows=rows, right=frozenset({"Days"}))
        print_next_step("`lilong evidence give` adds a document; `lilong organisations apply KIND --reason …` asks.")


@app.command("apply")
def apply_for_standing(
    kind: Annotated[Standing, typer.Argument(help="What your organisation asks to be, or for longer.")],
    reason: Annotated[str, typer.Option(help="What you plan, and for how long; whoever decides reads it.")],
    as_json: AsJson = False,
) -> None:
    """Apply for a standing with the documents of your wallet that it needs: people decide."""
    with hub_session(as_json=as_json) as hub:
        case_id = hub.organisations.apply_for_standing(kind=kind, reason=reason)
        if as_json:
            print_json({"case_id": case_id})
            return
        print_fields({"Case": case_id})
        print_next_step(f"`lilong cases show {case_id}` says until when it is decided; you will be told.")


@app.command("grant")
def grant_standing(
    organisation_id: OrganisationId,
    kind: Annotated[Standing, typer.Argument(help="What it is to be.")],
    *,
    reason: Reason,
    starts_on: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; left out: today.")
    ] = None,
    ends_on: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day without it; left out: no end.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Grant an admitted organisation a standing, or prolong one by another that follows it. For operators."""
    with hub_session(as_json=as_json) as hub:
        granted = hub.organisations.grant_standing(
            organisation_id,
            kind=kind,
            reason=reason,
            starts_on=starts_on.date() if starts_on else None,
            ends_on=ends_on.date() if ends_on else None,
        )
        if as_json:
            print_json(granted)
        else:
            messages.print(f"{granted.id}: {granted.kind} from {granted.starts_on} until {granted.ends_on or '–'}.")


@app.command("end-standing")
def end_standing(
    organisation_id: OrganisationId,
    standing_id: Annotated[str, typer.Argument(help="Id of the standing.")],
    ends_on: Annotated[
        datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="First day without it, today or later.")
    ],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Set the day on which a standing ends; new orders stop then, what runs goes on. For operators."""
    with hub_session(as_json=as_json) as hub:
        changed = hub.organisations.end_standing(organisation_id, standing_id, ends_on=ends_on.date(), reason=reason)
        if as_json:
            print_json(changed)
        else:
            messages.print(f"{changed.id} ends on {changed.ends_on}.")


@app.command("owners")
def list_owners(
    organisation_id: Annotated[str, typer.Argument(help="Id of the organisation; left out: your own.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what an organisation declared about its owners."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.organisations.list_ownership(organisation_id or hub.organisations.get_me().organisation.id))
        if as_json:
            print_json(found)
            return
        rows = [
            (each.name or each.holder, percent_text(each.share_ppm), each.starts_on, each.ends_on or "–")
            for each in found
        ]
        print_table(title="Owners", columns=("Owner", "Share", "From", "Until"), rows=rows, right=frozenset({"Share"}))


@app.command("declare-owners")
def declare_owners(
    file: Annotated[Path, typer.Argument(help="A TOML file with a table [[owners]] for each owner.")],
    starts_on: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; left out: today.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """State who owns your organisation, all owners at once; what was declared before ends there.

    Each [[owners]] has `percent` and either `organisation_id`, or `person_id` of a member, or `name` and
    `registration_number` of anybody else.
    """
    with hub_session(as_json=as_json) as hub:
        declared = hub.organisations.declare_ownership(
            read_owners(file.read_text(encoding="utf-8")), starts_on=starts_on.date() if starts_on else None
        )
        if as_json:
            print_json(declared)
        else:
            messages.print(f"Declared {len(declared)} owners from {declared[0].starts_on} on.")


@app.command("related")
def check_related(
    organisation_id: OrganisationId,
    other_id: Annotated[str, typer.Argument(help="Id of the other organisation.")],
    as_json: AsJson = False,
) -> None:
    """Say whether two organisations are related parties, and why. For operators."""
    with hub_session(as_json=as_json) as hub:
        answer = hub.organisations.check_related(organisation_id, other_id)
        if as_json:
            print_json(answer)
            return
        rule = f"rule {answer.rule_name} {answer.rule_version}, from {percent_text(answer.threshold_ppm)}"
        if not answer.related:
            messages.print(f"Not related ({rule}).")
            return
        parts = f"{percent_text(answer.first_ppm)} of the first and {percent_text(answer.second_ppm)} of the second"
        messages.print(f"Related: {answer.holder} holds {parts} ({rule}).")


def percent_text(share_ppm: int) -> str:
    """Return parts per million as percent, without needless zeros.

    >>> percent_text(333_333), percent_text(250_000)
    ('33.3333 %', '25 %')
    """
    return f"{Decimal(share_ppm).scaleb(-4).normalize():f} %"


def read_owners(text: str) -> list[dict[str, str | int]]:
    r"""Return the owners that a TOML file names, with shares in parts per million; raises OwnersUnreadable.

    >>> read_owners('[[owners]]\npercent = 33.3333\norganisation_id = "org_1"')
    [{'organisation_id': 'org_1', 'share_ppm': 333333}]
    """
    try:
        tables = tomllib.loads(text, parse_float=Decimal)["owners"]
        return [
            {name: str(value) for name, value in table.items() if name != "percent"}
            | {"share_ppm": int(Decimal(table["percent"]).scaleb(4).to_integral_exact())}
            for table in tables
        ]
    except (tomllib.TOMLDecodeError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise OwnersUnreadable(detail=f"{type(error).__name__}: {error}.") from error
