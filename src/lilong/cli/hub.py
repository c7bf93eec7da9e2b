"""Operator commands: each starts the hub's own process for it, none imports the hub."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from lilong.cli.output import errors_as_exit_codes, messages
from lilong.cli.supervisor import hub_environment, serve_until_signalled
from lilong.common.errors import Conflict

app = typer.Typer(help="For operators of a hub.")
ledger = typer.Typer(help="Check and export the books.", no_args_is_help=True)
app.add_typer(ledger, name="ledger")

Home = Annotated[Path, typer.Option("--home", envvar="LILONG_HOME", help="Folder of the hub's database and keys.")]
HOME_DEFAULT = Path("lilong-home")


class HomeMissing(Conflict):
    """There is no hub in the folder."""

    code = "hub.home_missing"
    title = "There is no hub in this folder"
    next_step = "Make one with `lilong init --home DIR`."


@app.command()
def init(
    email: Annotated[str, typer.Option(help="Address of the first operator.")] = "operator@localhost",
    home: Home = HOME_DEFAULT,
) -> None:
    """Make a hub in a folder and print the first operator's one-time token."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    manage(home, "init", "--email", email)


@app.command()
def serve(home: Home = HOME_DEFAULT) -> None:
    """Run web, worker and, once it has joined, the embedded agent until interrupted."""
    with errors_as_exit_codes(as_json=False):
        _require_home(home)
        messages.print(f"Serving the hub in {home}; logs are in {home / 'run'}. Stop it with Ctrl-C.")
        serve_until_signalled(home=home)


@app.command()
def worker(home: Home = HOME_DEFAULT) -> None:
    """Run one worker by itself, for hubs whose processes are started elsewhere."""
    with errors_as_exit_codes(as_json=False):
        _require_home(home)
    os.execve(sys.executable, [sys.executable, "-m", "lilong.web.worker"], hub_environment(home=home))  # noqa: S606


@app.command()
def backup(archive: Path, home: Home = HOME_DEFAULT) -> None:
    """Write database, objects and keys of a running hub into one archive."""
    manage(home, "backup", str(archive.resolve()))


@app.command()
def restore(archive: Path, home: Home = HOME_DEFAULT) -> None:
    """Make a hub from a backup in an empty folder; pay-outs stay frozen until statements are matched."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    manage(home, "restore", str(archive.resolve()))


@ledger.command("verify")
def ledger_verify(home: Home = HOME_DEFAULT) -> None:
    """Recompute every balance from the transfers and name each difference."""
    manage(home, "ledger_verify")


@ledger.command("export")
def ledger_export(file: Path, home: Home = HOME_DEFAULT, until: str = "") -> None:
    """Write the whole books as a Beancount file: all that counts before `until`, or before now."""
    manage(home, "ledger_export", str(file.resolve()), *(["--until", until] if until else []))


def manage(home: Path, command: str, *arguments: str) -> None:
    """Run a management command of the hub in `home` as a child process and exit as it does."""
    with errors_as_exit_codes(as_json=False):
        _require_home(home)
    finished = subprocess.run(
        [sys.executable, "-m", "lilong.web.manage", command, *arguments], env=hub_environment(home=home), check=False
    )
    raise typer.Exit(finished.returncode)


def _require_home(home: Path) -> None:
    if not home.is_dir():
        raise HomeMissing(detail=f"{home} does not exist.")
