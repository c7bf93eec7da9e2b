"""Asking the hub's own process for something: a management command in a child, which answers with one document."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lilong.cli.supervisor import hub_environment
from lilong.common.errors import Conflict, LilongError
from lilong.sdk.transport import error_from_problem

Document = dict[str, Any]
LOG = "command.log"


class HomeMissing(Conflict):
    """There is no hub in the folder."""

    code = "hub.home_missing"
    title = "There is no hub in this folder"
    next_step = "Make one with `lilong init --home DIR`, or name the folder of yours with `--home DIR`."


class HubNotInstalled(Conflict):
    """The packages that a hub needs are not installed; members and providers need none of them."""

    code = "hub.not_installed"
    title = "This installation of Lilong cannot run a hub"
    next_step = "Install it with its hub: `pip install 'lilong[hub]'`."


class HubCommandFailed(LilongError):
    """The hub's process ended without an answer."""

    code = "hub.command_failed"
    title = "The hub's process failed"
    next_step = "Read the end of the log named here, and report it if it is not about this machine."


def ask_hub(home: Path, *arguments: str) -> Document:
    """Run a management command of the hub in `home` and return its answer; raises what it refuses.

    Its log goes to `run/command.log` of the home.
    """
    require_hub_installed()
    log = home / "run" / LOG
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as errors:
        finished = subprocess.run(
            [sys.executable, "-m", "lilong.web.manage", *arguments],
            env=hub_environment(home=home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if not finished.stdout.startswith("{"):
        raise HubCommandFailed(detail=f"{arguments[0]} ended with {finished.returncode}; its log is {log}.")
    document: Document = json.loads(finished.stdout)
    if finished.returncode:
        raise error_from_problem(finished.stdout, status=int(str(document["status"])))
    return document


def make_home(home: Path) -> None:
    """Make the folder of a hub, for its owner alone, unless it is there; raises HubNotInstalled."""
    require_hub_installed()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)


def require_home(home: Path) -> None:
    """Raise HomeMissing unless a hub was made in the folder: every one has keys."""
    if not (home / "keys").is_dir():
        reason = "holds no hub" if home.is_dir() else "does not exist"
        raise HomeMissing(detail=f"{home.resolve()} {reason}.")


def require_hub_installed() -> None:
    """Raise HubNotInstalled where Django is not there."""
    if find_spec("django") is None:
        raise HubNotInstalled
