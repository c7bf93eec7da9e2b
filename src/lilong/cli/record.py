"""Commands about the record: an operator's, and those of an auditor who witnesses it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.hub import HOME_DEFAULT, Home
from lilong.cli.hub_process import ask_hub, require_home
from lilong.cli.output import (
    EXIT_UNEXPECTED,
    AsJson,
    errors_as_exit_codes,
    messages,
    print_json,
    print_next_step,
    screen,
)
from lilong.protocol.checkpoint import parse_verifier_key
from lilong.protocol.exports import render_json
from lilong.witness.memory import init_witness, trust_log
from lilong.witness.server import serve_witness

app = typer.Typer()
record = typer.Typer(help="Check the record, its keys, and end restore mode.", no_args_is_help=True)
witness = typer.Typer(help="For auditors: cosign the heads of hubs' records.", no_args_is_help=True)
app.add_typer(record, name="record")
app.add_typer(witness, name="witness")

WitnessHome = Annotated[Path, typer.Option("--home", help="Folder of the witness's key and memory.")]


@record.command("verify")
def record_verify(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Recompute every commitment, hash, head and signature and name each difference. Ends with 1 when there is one."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        report = ask_hub(home, "record", "verify")
        problems = report["problems"]
        if as_json:
            print_json(report)
        else:
            messages.print(
                f"{report['entries']} entries ({report['erased']} erased) in {report['logs']} logs, {report['heads']} "
                f"heads, {report['witnessed']} entries witnessed: {len(problems) or 'no'} differences."
            )
            for problem in problems:
                messages.print(f"[red]{escape(problem)}[/red]")
        if problems:
            if not as_json:
                print_next_step("Stop the hub, keep a copy of its home, and restore the last backup that verifies.")
            raise typer.Exit(EXIT_UNEXPECTED)


@record.command("keys")
def record_keys(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Print the keys file for verifiers, and on standard error each key with its fingerprint."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        keys = ask_hub(home, "record", "keys")
        if as_json:
            print_json(keys)
            return
        for key, fingerprint in keys["fingerprints"].items():
            messages.print(f"{fingerprint} {escape(key)}", soft_wrap=True)
        typer.echo(render_json(keys["keys_file"]), nl=False)


@record.command("rotate-key")
def record_rotate_key(home: Home = HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Make a new signing key and print it for the witnesses; the old one signs beside it for seven days."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        rotated = ask_hub(home, "record", "rotate-key")
        if as_json:
            print_json(rotated)
            return
        screen.print(rotated["key"], soft_wrap=True)
        print_next_step("Give it to every witness within seven days: `lilong witness trust KEY`.")


@record.command("end-restore")
def record_end_restore(
    reason: Annotated[str, typer.Argument(help="How the statements were matched, for the record.")],
    home: Home = HOME_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Let money be paid out again after a restore, once the statements are matched."""
    with errors_as_exit_codes(as_json=as_json):
        require_home(home)
        ended = ask_hub(home, "record", "end-restore", reason)
        if as_json:
            print_json(ended)
        else:
            messages.print("Money is paid out again; the reason stands in the record.")


@witness.command("init")
def witness_init(
    home: WitnessHome,
    name: Annotated[str, typer.Option(help="Name of the witness, such as auditor.example/w1.")],
    as_json: AsJson = False,
) -> None:
    """Make a key and an empty memory; print the key to give to hubs and verifiers."""
    with errors_as_exit_codes(as_json=as_json):
        key = init_witness(folder=home, name=name)
        if as_json:
            print_json({"key": key.text, "fingerprint": key.fingerprint})
            return
        screen.print(key.text, soft_wrap=True)
        print_next_step(f"`lilong witness trust KEY --home {home}` with the key of a hub's log.")


@witness.command("trust")
def witness_trust(
    key: Annotated[str, typer.Argument(help="The log's key in one line, got over a road the hub does not control.")],
    home: WitnessHome,
    as_json: AsJson = False,
) -> None:
    """Cosign a log from now on. The witness must be stopped for it."""
    with errors_as_exit_codes(as_json=as_json):
        trusted = parse_verifier_key(key)
        trust_log(folder=home, key=trusted)
        if as_json:
            print_json({"log": trusted.name, "fingerprint": trusted.fingerprint})
            return
        messages.print(f"Heads of {escape(trusted.name)} are cosigned from now on.")
        print_next_step(f"`lilong witness serve --home {home}` serves hubs.")


@witness.command("serve")
def witness_serve(
    home: WitnessHome, bind: Annotated[str, typer.Option(help="HOST:PORT to listen on.")] = "127.0.0.1:9310"
) -> None:
    """Serve until stopped; print the address and key that a hub's setting `witnesses` takes."""
    with errors_as_exit_codes(as_json=False):
        serve_witness(folder=home, bind=bind)
