"""Commands about organisations: founding one, and what each is at the hub."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, messages, print_fields, print_json, print_next_step, print_table

app = typer.Typer(help="Found an organisation, and see what it is at the hub.", no_args_is_help=True)

OrganisationId = Annotated[str, typer.Argument(help="Id of the organisation.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the record.")]


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
