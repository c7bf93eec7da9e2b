"""What the processes of one rank use, read from /proc, the files and a cgroup: the shim's eyes.

Standard library only, Python 3.6 syntax: it travels beside shim.py.
"""

import contextlib
import os
import resource
import stat
import time
from typing import Any, Dict, Iterator, List, Tuple

LOOK_EVERY_S, DISK_EVERY_S = 0.2, 0.4
FOLDERS_DEEP_MAX = 200


def started_ticks(pid: int) -> int:
    """Return a live process's start time in ticks since boot, 0 when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def list_children(pid: int) -> List[int]:
    """Return the pids of the processes that any thread of `pid` has started and not lost."""
    found: List[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found.extend(int(child) for child in file.read().split())
    return found


def list_descendants(pid: int) -> List[int]:
    """Return the pids of all processes below `pid`, parents before children."""
    found = list_children(pid)
    for child in found:  # the list grows while it is walked
        found.extend(list_children(child))
    return found


def walk(folder: str) -> Iterator[Tuple[str, os.stat_result]]:
    """Yield every entry below `folder`, links not followed; raises OSError where something cannot be looked at."""
    todo = [(folder, 0)] if os.path.isdir(folder) else []
    while todo:
        path, depth = todo.pop()
        if depth > FOLDERS_DEEP_MAX:
            raise OSError(f"folders are nested more than {FOLDERS_DEEP_MAX} deep")
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    yield entry.name, facts
                    if stat.S_ISDIR(facts.st_mode):
                        todo.append((entry.path, depth + 1))


class Watch:
    """What the rank uses beside its limits; `look` returns the cause to end it, or nothing."""

    def __init__(self, order: Dict[str, Any]) -> None:
        self.order = order
        self.next_s = self.next_disk_s = 0.0
        self.disk_bytes = self.memory_bytes = self.tasks = 0
        self.detail = ""

    def look(self) -> str:
        """Check memory and processes when their turn has come, the disk less often."""
        now_s = time.monotonic()
        if now_s < self.next_s:
            return ""
        pids = list_descendants(os.getpid())
        cause = self.look_processes(pids)
        if not cause and now_s >= self.next_disk_s:
            try:
                cause = self.look_disk(pids)
            except OSError as error:
                self.detail, cause = str(error), "disk_exceeded"
            self.next_disk_s = time.monotonic() + max(DISK_EVERY_S, 10 * (time.monotonic() - now_s))
        self.next_s = time.monotonic() + LOOK_EVERY_S
        return cause

    def count_event(self, name: str, key: str) -> int:
        """Return the number behind `key` in a cgroup's events file, 0 where there is no such group."""
        with contextlib.suppress(OSError, ValueError), open(self.order.get(name) or "", encoding="ascii") as file:
            return sum(int(line[len(key) :]) for line in file if line.startswith(key))
        return 0

    def look_processes(self, pids: List[int]) -> str:
        """Count tasks and sum private memory; where a cgroup binds, the kernel decides and its verdict is read."""
        tasks = pages = 0
        for pid in pids:
            with contextlib.suppress(OSError, ValueError, IndexError):
                tasks += len(os.listdir(f"/proc/{pid}/task"))
                with open(f"/proc/{pid}/statm", "rb") as file:
                    fields = file.read().split()
                pages += int(fields[1]) - int(fields[2])
        self.tasks, self.memory_bytes = tasks, pages * resource.getpagesize()
        if self.count_event("memory_events", "oom_kill "):
            return "memory_exceeded"
        if self.memory_bytes > self.order["memory_max"] and not self.order.get("memory_events"):
            return "memory_exceeded"
        full = tasks >= self.order["processes_max"] or self.count_event("pids_events", "max ")
        return "processes_exceeded" if full else ""

    def look_disk(self, pids: List[int]) -> str:
        """Sum blocks of all files of the attempt, also of deleted ones that are still open."""
        sizes = {(facts.st_dev, facts.st_ino): facts.st_blocks for _, facts in walk(self.order["measured"])}
        for folder in [f"/proc/{pid}/fd" for pid in pids]:
            with contextlib.suppress(OSError):
                for name in os.listdir(folder):
                    with contextlib.suppress(OSError):
                        facts = os.stat(os.path.join(folder, name))
                        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                            sizes[facts.st_dev, facts.st_ino] = facts.st_blocks
        self.disk_bytes = 512 * sum(sizes.values())
        over = self.disk_bytes > self.order["disk_max"] or len(sizes) > self.order["files_max"]
        return "disk_exceeded" if over else ""
