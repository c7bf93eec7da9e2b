"""What this machine is and what runs on it, read from /proc and the file system. IO only; nothing is decided here."""

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from lilong.agent.engines.rank.sandbox import System
from lilong.agent.engines.rank.watch import list_descendants, started_ticks

_ROOT_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_END_LEFTOVERS_S = 10.0


def read_system(*, beside: tuple[Path, ...]) -> System:
    """Return what a sandbox shows of this host: /usr, its usual links, and the folders `beside` it."""
    folders, links = ["/usr"], list[tuple[str, str]]()
    for path in _ROOT_FOLDERS:
        if Path(path).is_symlink():
            links.append((str(Path(path).readlink()), path))
        elif Path(path).is_dir():
            folders.append(path)
    folders += [str(path) for path in beside if not path.is_relative_to("/usr")]
    return System(folders=tuple(folders), links=tuple(links))


def read_boot_id() -> str:
    """Return the id of this boot of the machine: a process of another boot is gone, whatever its number."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def is_same_process(*, pid: int, ticks: int, boot_id: str) -> bool:
    """Return whether the process with this number still is the one that was started then; zombies are gone."""
    return ticks > 0 and boot_id == read_boot_id() and started_ticks(pid) == ticks


def read_memory_mib() -> tuple[int, int]:
    """Return total and available memory of the machine in MiB."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines}
    return sizes["MemTotal"], sizes.get("MemAvailable", sizes["MemTotal"])


def may_reach(*, path: Path) -> str:
    """Return the first folder or file on the way to `path` that others may not pass or read; empty when they may."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    needed = 0o005 if path.is_dir() else 0o004
    return "" if path.stat().st_mode & needed == needed else str(path)


def missing_programs(*names: str) -> list[str]:
    """Return which of these programs are not installed."""
    return [name for name in names if shutil.which(name) is None]


def _list_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _list_of_user(uid: int) -> Iterator[int]:
    for pid in _list_pids():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}").stat().st_uid == uid and started_ticks(pid):
                yield pid


def _list_marked(attempt_id: str) -> Iterator[int]:
    mark = re.compile(rb"(?:^|\0)LILONG_ATTEMPT_ID=" + re.escape(attempt_id.encode()) + rb"(?:\0|$)")
    for pid in _list_pids():
        with contextlib.suppress(OSError):
            if mark.search(Path(f"/proc/{pid}/environ").read_bytes()):
                yield pid


def has_processes(uid: int) -> bool:
    """Return whether any process runs as this user."""
    return any(True for _ in _list_of_user(uid))


def end_leftovers(*, uid: int | None, attempt_id: str, jobs: list[tuple[int, int]]) -> int:
    """Kill what an attempt left behind without its shim, and return how many processes that were.

    uid: the attempt's own user, None where it had none; jobs: (pid, start ticks) of what the shims started.
    With a user of its own nothing is missed. Without, what hides its environment and its parents could be: bubblewrap
    ends such processes itself when the shim dies.
    """
    ended = set[int]()
    deadline_s = time.monotonic() + _END_LEFTOVERS_S
    while time.monotonic() < deadline_s:
        found = set(_list_of_user(uid)) if uid is not None else set(_list_marked(attempt_id))
        for pid, ticks in jobs:
            if started_ticks(pid) == ticks > 0:
                found |= {pid, *list_descendants(pid)}
        found.discard(os.getpid())
        if not found:
            break
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
        time.sleep(0.01)
    return len(ended)
