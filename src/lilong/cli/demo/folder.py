"""The demo's folder: emptied for each play, never anybody else's, and nothing of it left running."""

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lilong.agent.engines.rank.watch import started_ticks
from lilong.common.errors import Conflict

MARK = ".lilong-demo"


class DemoFolderTaken(Conflict):
    """The folder holds something that no demo has made, or a demo that is playing now."""

    code = "demo.folder_taken"
    title = "The demo cannot use this folder"
    next_step = "Name a folder that does not exist yet: `lilong demo --home DIR`."


@contextmanager
def fresh_folder(home: Path) -> Iterator[Path]:
    """Hand out `home`, new or emptied of an earlier demo, to this process alone; raises DemoFolderTaken."""
    home.mkdir(parents=True, exist_ok=True)
    mark = home / MARK
    if not mark.exists() and any(home.iterdir()):
        raise DemoFolderTaken(detail=f"{home} holds files that are not a demo's.")
    with mark.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoFolderTaken(detail=f"A demo plays in {home} now.") from error
        end_jobs(home)
        for entry in home.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != mark:
                entry.unlink()
        yield home


def list_shims(home: Path) -> list[int]:
    """Return the process ids of all shims that live, of any attempt in this hub's own agent."""
    found: list[int] = []
    for path in sorted((home / "agent" / "spool").glob("*/ranks/*/shim.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            shim = json.loads(path.read_bytes())
            if started_ticks(int(shim["pid"])) == int(shim["started_ticks"]):
                found.append(int(shim["pid"]))
    return found


def end_jobs(home: Path) -> None:
    """Kill what outlives an agent: its shims, each of which takes its job with it."""
    for pid in list_shims(home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
