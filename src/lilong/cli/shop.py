"""The command `shop`: what there is, at which price."""

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_bytes, print_json, print_next_step, print_table
from lilong.protocol.accelerators import resolve

app = typer.Typer()

SECONDS_PER_HOUR = 3600
MIB = 1024**2


@app.command()
def shop(
    accelerator: str = typer.Option("", help="Only offers with this accelerator, by any of its names."),
    as_json: AsJson = False,
) -> None:
    """List what is on the shelf with today's prices."""
    with hub_session(as_json=as_json) as hub:
        wanted = resolve(accelerator).id if accelerator else None
        offers = list(hub.offers.list(accelerator=wanted))
        providers = {provider.id: provider.name for provider in hub.providers.list()}
        if as_json:
            print_json(offers)
            return
        rows = [
            (
                offer.name,
                providers.get(offer.provider_id, offer.provider_id),
                offer.accelerator or "none",
                offer.cores_per_unit,
                format_bytes(offer.memory_mib_per_unit * MIB),
                _price_text(offer.price_uc, offer.unit),
            )
            for offer in offers
        ]
        columns = ("Offer", "Provider", "Accelerator", "Cores", "Memory", "Price")
        print_table(title="Offers", columns=columns, rows=rows, right=frozenset({"Cores", "Memory", "Price"}))
        if rows:
            print_next_step("`lilong quote FILE` says what a job costs after your vouchers.")


def _price_text(price_uc: int | None, unit: str) -> str:
    """Say a price by the hour; a row counts micro-credits per 1 000 unit-seconds."""
    if price_uc is None:
        return "not for sale now"
    return f"{credits_text(price_uc * SECONDS_PER_HOUR // 1000)} per {unit.removesuffix('_s')}-hour"
