"""The command `accelerators`: what is claimed of them, and by whom."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, print_fields, print_json, print_next_step, print_table
from lilong.sdk.accelerators import Claim, Dossier
from lilong.sdk.client import Lilong

app = typer.Typer()


@app.command()
def accelerators(
    name: Annotated[str, typer.Argument(help="One of them, by its id or any other of its names.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the accelerators that the hub knows, or show what is claimed of one: best claim first, with its source."""
    with hub_session(as_json=as_json) as hub:
        if name:
            _show_one(hub.accelerators.get(name), as_json=as_json)
        else:
            _show_all(hub, as_json=as_json)


def _show_all(hub: Lilong, *, as_json: bool) -> None:
    known = hub.accelerators.list()
    if as_json:
        print_json(known)
        return
    rows = [(each.id, each.name, each.vendor, each.country, ", ".join(each.aliases)) for each in known]
    columns = ("Id", "Name", "Vendor", "Country", "Also called")
    print_table(title="Accelerators", columns=columns, rows=rows, right=frozenset())
    print_next_step(
        "`lilong accelerators ID` shows what is claimed of one, `lilong shop --accelerator ID` who sells it."
    )


def _show_one(dossier: Dossier, *, as_json: bool) -> None:
    if as_json:
        print_json(dossier)
        return
    known = dossier.accelerator
    print_fields(
        {
            "Id": known.id,
            "Name": known.name,
            "Vendor": f"{known.vendor}, {known.country}",
            "Also called": ", ".join(known.aliases) or "–",
        }
    )
    columns = ("Property", "Value", "Holds for", "Tier", "Confidence", "", "Source")
    rows = [_describe(claim) for claim in dossier.claims]
    print_table(title="Claims, best first", columns=columns, rows=rows, right=frozenset())
    print_next_step(f"`lilong shop --accelerator {known.id}` shows who sells it.")


def _describe(claim: Claim) -> tuple[str, ...]:
    sources = "; ".join(
        " ".join(part for part in (each.title, each.url, each.commit, str(each.dated_on or "")) if part)
        for each in claim.sources
    )
    conflict = "disputed" if claim.is_conflicting else ""
    value = f"{claim.value} {claim.unit}".strip()
    return claim.property, value, claim.conditions, claim.tier, claim.confidence, conflict, sources
