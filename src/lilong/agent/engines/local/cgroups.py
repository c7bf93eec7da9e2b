"""Memory and process limits by control group, versions 1 and 2, only ever below the agent's own group."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from lilong.agent.engines.rank.launch import RankGroups

_REMOVE_S = 2.0


@dataclass(frozen=True, slots=True)
class Groups:
    """Where a rank's groups may be made: the agent's own group per controller; None where there is none."""

    version: int
    memory: Path | None
    pids: Path | None


def parse_own_groups(*, membership: str, mounts: str) -> dict[str, Path]:
    r"""Return the agent's own group folder per controller from /proc/self/cgroup and mountinfo; "" is version 2.

    A root group is left out: its children would stand beside the system's own.

    >>> mounts = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
    >>> parse_own_groups(membership="4:memory:/a\n2:pids:/", mounts=mounts)
    {'memory': PosixPath('/sys/fs/cgroup/memory/a')}
    """
    points: dict[str, Path] = {}
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if fields[3:4] != ["/"]:
            continue
        if kind[:1] == ["cgroup2"]:
            points.setdefault("", Path(fields[4]))
        elif kind[:1] == ["cgroup"]:
            for option in kind[-1].split(","):
                points.setdefault(option, Path(fields[4]))
    found: dict[str, Path] = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if path.strip("/") and controller in points:
                found[controller] = points[controller] / path.strip("/")
    return found


def find_groups() -> Groups:
    """Return where ranks can be limited on this machine; what cannot be written to is left out."""
    own = parse_own_groups(
        membership=Path("/proc/self/cgroup").read_text(encoding="ascii"),
        mounts=Path("/proc/self/mountinfo").read_text(encoding="utf-8"),
    )
    if "" in own and "memory" not in own:
        path = own[""]
        usable = set(_try_child(path, ("memory.max", "pids.max")))
        return Groups(2, path if "memory.max" in usable else None, path if "pids.max" in usable else None)
    memory, pids = own.get("memory"), own.get("pids")
    return Groups(
        version=1,
        memory=memory if memory and _try_child(memory, ("memory.limit_in_bytes",)) else None,
        pids=pids if pids and _try_child(pids, ("pids.max",)) else None,
    )


def _try_child(parent: Path, files: tuple[str, ...]) -> list[str]:
    child = parent / f"lilong-try-{time.monotonic_ns()}"
    try:
        child.mkdir()
    except OSError:
        return []
    try:
        return [name for name in files if (child / name).exists()]
    finally:
        child.rmdir()


def make_rank_groups(*, groups: Groups, name: str, memory_bytes: int, processes_max: int) -> RankGroups:
    """Make the groups of one rank, or take those that are there; raises OSError."""
    joins: list[Path] = []
    memory_events = pids_events = None
    if groups.memory is not None:
        folder = groups.memory / name
        folder.mkdir(exist_ok=True)
        joins.append(folder / "cgroup.procs")
        if groups.version == 1:
            (folder / "memory.limit_in_bytes").write_text(str(memory_bytes))
            with contextlib.suppress(OSError):
                (folder / "memory.memsw.limit_in_bytes").write_text(str(memory_bytes))
            memory_events = folder / "memory.oom_control"
        else:
            (folder / "memory.max").write_text(str(memory_bytes))
            with contextlib.suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
            memory_events = folder / "memory.events"
    if groups.pids is not None:
        folder = groups.pids / name
        folder.mkdir(exist_ok=True)
        (folder / "pids.max").write_text(str(processes_max))
        pids_events = folder / "pids.events"
        joins.append(folder / "cgroup.procs")
    return RankGroups(joins=tuple(dict.fromkeys(joins)), memory_events=memory_events, pids_events=pids_events)


def remove_rank_groups(*, groups: Groups, name: str) -> None:
    """Remove the groups of an ended rank; what is still busy is left to a later call."""
    for parent in {groups.memory, groups.pids} - {None}:
        deadline_s = time.monotonic() + _REMOVE_S
        while parent is not None and (parent / name).exists() and time.monotonic() < deadline_s:
            try:
                (parent / name).rmdir()
            except OSError:
                time.sleep(0.01)
