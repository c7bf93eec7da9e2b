"""The command `demo`."""

import secrets
import shlex
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
from lilong.cli.hub_process import require_hub_installed
from lilong.cli.local_hub import LocalHub
from lilong.cli.output import (
    EXIT_UNEXPECTED,
    AsJson,
    Interrupted,
    Signalled,
    credits_text,
    errors_as_exit_codes,
    messages,
    print_fields,
    print_json,
    print_next_step,
    print_table,
)
from lilong.cli.own_command import find_own_command
from lilong.common.files import find_tools
from lilong.protocol.exports import KEYS_FILE
from lilong.protocol.spec import Isolation

app = typer.Typer()

HOME_DEFAULT = Path("lilong-demo")
_WORDS = {True: "yes", False: "NO"}
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoInterrupted(Interrupted):
    """A signal ended the demo."""

    code = "demo.interrupted"
    title = "The demo was interrupted"
    next_step = "Play it again as you started it: the same folder will do."


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
    interrupted = DemoInterrupted(detail=f"Nothing of it runs any more; what it left is in {home}.")
    with errors_as_exit_codes(as_json=as_json, interrupted=interrupted):
        require_hub_installed()
        with fresh_folder(home.resolve()) as folder:
            outcome = _play(folder, chance)
        if as_json:
            print_json(outcome.to_json())
        else:
            _print_outcome(outcome, home)
        if not outcome.succeeded:
            raise typer.Exit(EXIT_UNEXPECTED)


def _play(folder: Path, chance: Chance) -> Outcome:
    """Play on a hub in `folder`; whatever happens, nothing of it runs afterwards."""
    narrator = Narrator(scenes=SCENES)
    hub = LocalHub(home=folder, settings={"hub_name": "Lilong demo", "record_origin": "demo.lilong.example/record"})
    for number in _ENDING:
        signal.signal(number, _interrupt)
    try:
        with narrator.telling(), Stage(hub=hub, terms=Terms(price_uc=chance.price_uc)) as stage:
            messages.print(f"One paid job in {escape(str(folder))}, seed {chance.seed}")
            return play(stage=stage, chance=chance, narrator=narrator)
    except Exception:
        messages.print(escape(hub.read_log_ends()), style="dim", soft_wrap=True)
        raise
    finally:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave jobs behind; this takes seconds
        hub.stop()
        end_jobs(folder)


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise Signalled(number)


def _print_outcome(outcome: Outcome, home: Path) -> None:
    order, run, proofs = outcome.order, outcome.run, outcome.proofs
    amounts = {
        "Expected": outcome.quote.quoted_uc,
        "Held": order.max_uc,
        "Charged": order.charged_uc,
        "  by the voucher": order.voucher_uc,
        "  by the wallet": (order.charged_uc or 0) - (order.voucher_uc or 0),
        "Given back": order.refunded_uc,
    }
    rows = [(name, credits_text(amount_uc)) for name, amount_uc in amounts.items()]
    print_table(title="", columns=("Money", "Amount"), rows=rows, right=frozenset({"Amount"}))
    print_fields(
        {
            "Billable": f"{run.billable_ms / 1000:.3f} s in {len(run.attempts)} attempts",
            "Accuracy": f"{outcome.metrics['accuracy']:.4f}",
            "Charge recomputed": _WORDS[proofs.charge.accepted],
            "Record verified": _WORDS[proofs.record.accepted],
            "Ledger balanced": _WORDS[proofs.ledger_balanced],
            "Isolation": "sandboxed" if outcome.isolation is Isolation.UNTRUSTED else "NONE: it ran as trusted",
            "Took": f"{outcome.seconds:.0f} s, seed {outcome.chance.seed}",
        }
    )
    folder = shlex.quote(str(home))
    tools = find_tools()
    near = tools.relative_to(Path.cwd()) if tools.is_relative_to(Path.cwd()) else tools
    charge, record = (shlex.quote(str(near / name)) for name in ("recompute_charge.py", "verify_record.py"))
    messages.print(f"What the order left is in {escape(str(home))}: transfers.csv, usage.csv, quote.json, record.json.")
    python = shlex.quote(sys.executable)
    print_next_step(f"`{python} {charge} {folder}` recomputes the charge.")
    print_next_step(f"`{python} {record} {folder} --keys {shlex.quote(str(home / KEYS_FILE))}` verifies the record.")
    lilong = find_own_command(python=Path(sys.executable), folder=Path.cwd())
    print_next_step(f"`{lilong} serve --home {folder}` starts this hub again.")
    print_next_step(f"`{lilong} init --home {folder}` prints a token that lets you in.")
