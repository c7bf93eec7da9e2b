"""The command `demo`."""

import secrets
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from lilong.cli.demo.chance import SEEDS, Chance, draw_chance
from lilong.cli.demo.folder import end_jobs, fresh_folder
from lilong.cli.demo.narrator import Narrator
from lilong.cli.demo.stage import Stage, Terms
from lilong.cli.demo.story import SCENES, Outcome, play
from lilong.cli.local_hub import LocalHub
from lilong.cli.output import (
    AsJson,
    credits_text,
    errors_as_exit_codes,
    messages,
    print_fields,
    print_json,
    print_next_step,
)

app = typer.Typer()

HOME_DEFAULT = Path("lilong-demo")


@app.command()
def demo(
    home: Annotated[
        Path, typer.Option(help="Folder for the hub and the order's files: new, or an earlier demo's.")
    ] = HOME_DEFAULT,
    seed: Annotated[int | None, typer.Option(min=0, help="Draws the price and when which process is killed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play one paid job on a hub of its own: quote, run, two kills, settlement, proof. Takes about two minutes.

    Everything goes over the public API. At the end nothing runs any more; the folder holds the order's files.
    """
    chance = draw_chance(secrets.randbelow(SEEDS) if seed is None else seed)
    with errors_as_exit_codes(as_json=as_json), fresh_folder(home.resolve()) as folder:
        outcome = _play(folder, chance)
        if as_json:
            print_json(outcome.to_json())
        else:
            _print_outcome(outcome, folder)
        if not outcome.succeeded:
            raise typer.Exit(1)


def _play(folder: Path, chance: Chance) -> Outcome:
    """Play on a hub in `folder`; whatever happens, nothing of it runs afterwards."""
    narrator = Narrator(scenes=SCENES)
    hub = LocalHub(home=folder, settings={"hub_name": "Lilong demo", "record_origin": "demo.lilong.example/record"})
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with narrator.telling(), Stage(hub=hub, terms=Terms(price_uc=chance.price_uc)) as stage:
            messages.print(f"One paid job in {escape(str(folder))}, seed {chance.seed}")
            return play(stage=stage, chance=chance, narrator=narrator)
    except BaseException:
        messages.print(escape(hub.read_log_ends()), style="dim", soft_wrap=True)
        raise
    finally:
        hub.stop()
        end_jobs(folder)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _print_outcome(outcome: Outcome, folder: Path) -> None:
    order, run = outcome.order, outcome.run
    print_fields(
        {
            "Expected": credits_text(outcome.quote.quoted_uc),
            "Held": credits_text(order.max_uc),
            "Charged": f"{credits_text(order.charged_uc)} for {run.billable_ms / 1000:.3f} s",
            "Attempts": len(run.attempts),
            "Of it the voucher": credits_text(order.voucher_uc),
            "Given back": credits_text(order.refunded_uc),
            "Accuracy": f"{outcome.metrics['accuracy']:.4f}",
            "Charge recomputed": "yes" if outcome.proofs.charge.accepted else "NO",
            "Record verified": "yes" if outcome.proofs.record.accepted else "NO",
            "Ledger balanced": "yes" if outcome.proofs.ledger_balanced else "NO",
            "Took": f"{outcome.seconds:.0f} s, seed {outcome.chance.seed}",
        }
    )
    python = Path(sys.executable).name
    messages.print(
        f"The order's files are in {escape(str(folder))}: transfers.csv, usage.csv, quote.json, record.json, keys.json."
    )
    print_next_step(
        f"`{python} tools/recompute_charge.py DIR`, `{python} tools/verify_record.py DIR --keys DIR/keys.json`"
    )
    print_next_step(
        f"`lilong serve --home {folder}` starts this hub again; `lilong init --home {folder}` lets you sign in."
    )
