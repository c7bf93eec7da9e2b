"""The command `shop`: what there is, at which price."""

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_bytes, print_json, print_next_step, print_table
from lilong.cli.waiting import describe_estimate
from lilong.sdk.shelf import FoundOffer

app = typer.Typer()

MIB = 1024**2
COLUMNS = ("Offer", "Provider", "Accelerator", "With each", "An hour", "For you", "Free", "Largest job", "Starts")


@app.command()
def shop(
    search: str = typer.Argument("", help='What to look for, such as "accelerator = h100 price < 3".'),
    sort: str = typer.Option(
        "price", help="price, memory, cores, free, gang, a measured or a counted field; a - before it turns it round."
    ),
    limit: int = typer.Option(50, min=1, max=200, help="How many offers at most."),
    as_json: AsJson = False,
) -> None:
    """Search the shelf: what there is, what an hour of it costs, and what your vouchers leave of that."""
    with hub_session(as_json=as_json) as hub:
        found = hub.offers.search(search, sort=sort, limit=limit)
        if as_json:
            print_json(found)
            return
        rows = [_row(offer) for offer in found.items]
        right = frozenset(COLUMNS[3:8])
        print_table(title=f"Offers ({found.total})", columns=COLUMNS, rows=rows, right=right)
        if found.total > len(rows):
            print_next_step("Narrow the search, or ask for more with --limit.")
        elif rows:
            print_next_step("`lilong quote FILE` says what a job costs after your vouchers.")


def _row(offer: FoundOffer) -> tuple[str | int, ...]:
    cores = f"{offer.cores_per_unit} cores, " if offer.accelerator else ""
    return (
        offer.name,
        offer.provider,
        offer.accelerator or "none",
        f"{cores}{format_bytes(offer.memory_mib_per_unit * MIB)}",
        "not for sale now" if offer.hour_uc is None else credits_text(offer.hour_uc),
        "" if offer.net_uc is None else credits_text(offer.net_uc),
        "?" if offer.free is None else f"{offer.free} of {offer.total}",
        _gang_text(offer),
        describe_estimate(offer.starts, offer.wait),
    )


def _gang_text(offer: FoundOffer) -> str:
    if offer.gang_nodes is None or offer.gang_units_per_node is None:
        return "?"
    units = offer.gang_nodes * offer.gang_units_per_node
    return f"{units} ({offer.gang_nodes} × {offer.gang_units_per_node})" if offer.gang_nodes > 1 else str(units)
