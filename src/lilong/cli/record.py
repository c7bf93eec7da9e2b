"""Commands about the record: an operator's, and those of an auditor who witnesses it."""

from pathlib import Path
from typing import Annotated

import typer

from lilong.cli.hub import HOME_DEFAULT, Home, manage
from lilong.cli.output import errors_as_exit_codes
from lilong.protocol.checkpoint import parse_verifier_key
from lilong.witness.memory import init_witness, trust_log
from lilong.witness.server import serve_witness

app = typer.Typer()
record = typer.Typer(help="Check the record, its keys, and end restore mode.", no_args_is_help=True)
witness = typer.Typer(help="For auditors: cosign the heads of hubs' records.", no_args_is_help=True)
app.add_typer(record, name="record")
app.add_typer(witness, name="witness")

WitnessHome = Annotated[Path, typer.Option("--home", help="Folder of the witness's key and memory.")]


@record.command("verify")
def record_verify(home: Home = HOME_DEFAULT) -> None:
    """Recompute every commitment, hash, head and signature and name each difference."""
    manage(home, "record", "verify")


@record.command("keys")
def record_keys(home: Home = HOME_DEFAULT) -> None:
    """Print the keys file for verifiers, and on standard error each key with its fingerprint."""
    manage(home, "record", "keys")


@record.command("rotate-key")
def record_rotate_key(home: Home = HOME_DEFAULT) -> None:
    """Make a new signing key and print it for the witnesses; the old one signs beside it for seven days."""
    manage(home, "record", "rotate-key")


@record.command("end-restore")
def record_end_restore(
    reason: Annotated[str, typer.Argument(help="How the statements were matched, for the record.")],
    home: Home = HOME_DEFAULT,
) -> None:
    """Let money be paid out again after a restore, once the statements are matched."""
    manage(home, "record", "end-restore", reason)


@witness.command("init")
def witness_init(
    home: WitnessHome, name: Annotated[str, typer.Option(help="Name of the witness, such as auditor.example/w1.")]
) -> None:
    """Make a key and an empty memory; print the key to give to hubs and verifiers."""
    with errors_as_exit_codes(as_json=False):
        typer.echo(init_witness(folder=home, name=name).text)


@witness.command("trust")
def witness_trust(
    key: Annotated[str, typer.Argument(help="The log's key in one line, got over a road the hub does not control.")],
    home: WitnessHome,
) -> None:
    """Cosign a log from now on. The witness must be stopped for it."""
    with errors_as_exit_codes(as_json=False):
        trust_log(folder=home, key=parse_verifier_key(key))


@witness.command("serve")
def witness_serve(
    home: WitnessHome, bind: Annotated[str, typer.Option(help="HOST:PORT to listen on.")] = "127.0.0.1:9310"
) -> None:
    """Serve until stopped; print the address and key that a hub's setting `witnesses` takes."""
    with errors_as_exit_codes(as_json=False):
        serve_witness(folder=home, bind=bind)
