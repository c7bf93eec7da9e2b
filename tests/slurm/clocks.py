"""What the cluster and the wrapper say of how long an attempt ran, beside what was billed of it.

Billed: usage.csv of the order. Accounted: sacct, in whole seconds and without suspensions. Reported: the last of the
wrapper's own signed reports. What the cluster does before the wrapper is there (its prolog included) and after the
wrapper's last word is on the cluster's time alone; that is measured by the process's start and the word's time.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lilong.agent.spool import read_json
from lilong.common.time import parse_moment
from lilong.protocol.messages import Reason
from lilong.sdk.runs import Attempt
from tests.slurm.cluster import SlurmCluster

TOLERANCE_MS = 2_000  # whole seconds may be one too many, and a busy machine starts the wrapper slowly
FIELDS = "State,ElapsedRaw,Suspended,Start,End,NodeList,JobName"


class Kind(StrEnum):
    """What happens to a job."""

    PLAIN = "left alone"
    SUSPENDED = "suspended and resumed"
    CANCELLED = "cancelled by its member"
    REQUEUED = "requeued on the cluster"
    REMOVED = "cancelled on the cluster"
    NODE_FAILED = "its node failed"
    AGAIN = "tried again after that"


@dataclass(frozen=True, slots=True)
class Clocks:
    """One attempt by all clocks, in milliseconds. around_ms: the cluster's time before and after the wrapper's."""

    attempt_id: str
    kind: Kind
    is_providers_fault: bool
    is_disputed: bool
    billed_ms: int
    accounted_ms: int
    reported_ms: int
    around_ms: int

    def find_trouble(self) -> str:
        """Return how the clocks disagree by more than they may without a dispute; empty if they do not.

        After a provider's failure only checkpointed time is billed, and for how long a dead node is counted is Slurm's.
        """
        if self.billed_ms > min(self.accounted_ms, self.reported_ms):
            return f"more is billed than one of the clocks bears out: {self}"
        compared_ms = [self.accounted_ms, self.reported_ms, *([] if self.is_providers_fault else [self.billed_ms])]
        apart_ms, bound_ms = max(compared_ms) - min(compared_ms), TOLERANCE_MS + self.around_ms
        if apart_ms > bound_ms and self.kind is not Kind.NODE_FAILED and not self.is_disputed:
            return f"{apart_ms} ms apart, which is more than {bound_ms}: {self}"
        return ""


@dataclass(frozen=True, slots=True)
class Accounted:
    """What sacct says of the first time that a job was given nodes; moments in seconds since 1970, None while open."""

    state: str
    elapsed_ms: int
    was_suspended: bool
    started_s: int
    ended_s: int | None


def read_accounting(cluster: SlurmCluster) -> dict[str, Accounted]:
    """Return what sacct knows of each attempt that a node was given to: a wrapper runs the first time alone."""
    told = cluster.run(
        *("env", "SLURM_TIME_FORMAT=%s", "sacct", "--duplicates", "--allocations", "--allusers", "--noheader"),
        *("--parsable2", "--starttime=now-1day", f"--format={FIELDS}"),
    )
    found: dict[str, Accounted] = {}
    for line in told.splitlines():
        state, elapsed_s, suspended, started_s, ended_s, nodes, name = line.split("|")
        # 24.11 may name nodes for a job that was cancelled before it began: its start is "None".
        if name.startswith("lilong-") and nodes != "None assigned" and started_s.isdigit():
            one = Accounted(
                state=state.split()[0],
                elapsed_ms=int(elapsed_s) * 1000,
                was_suspended=suspended.strip("0:") != "",
                started_s=int(started_s),
                ended_s=int(ended_s) if ended_s.isdigit() else None,
            )
            found.setdefault(name.rpartition("-")[2], one)
    return found


def tell_kind(attempt: Attempt, accounted: Accounted, rank: Path) -> Kind:
    """Return what happened to an attempt, by its traces: a job may have ended just before it could.

    A wrapper that left no last word died with its node, also where the job was cancelled afterwards.
    """
    if accounted.state == "NODE_FAIL" or not (rank / "exit.json").exists():
        return Kind.NODE_FAILED
    if attempt.reason == Reason.CANCELLED_BY_MEMBER:
        return Kind.CANCELLED
    if accounted.was_suspended:
        return Kind.SUSPENDED
    told = {"REQUEUED": Kind.REQUEUED, "CANCELLED": Kind.REMOVED}
    return told.get(accounted.state, Kind.PLAIN if attempt.number == 1 else Kind.AGAIN)


def find_rank(agent_home: Path, attempt_id: str) -> Path | None:
    """Return the agent's copy of what the wrapper wrote, whether the attempt is live or released."""
    return next(iter(agent_home.glob(f"*/{attempt_id}/ranks/0")), None)


def read_reported_ms(rank: Path) -> int:
    """Return the time that the last of the wrapper's reports tells, 0 where it made none."""
    try:
        lines = (rank / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0
    return max((int(json.loads(line)["elapsed_ms"]) for line in lines), default=0)


def measure_around_ms(rank: Path, accounted: Accounted) -> int:
    """Return the time from Slurm's start until the wrapper was there, and from its last word to Slurm's end."""
    shim, end = read_json(rank / "shim.json"), read_json(rank / "exit.json")
    before_ms = after_ms = 0.0
    if shim is not None:
        booted_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        born_s = booted_s + int(str(shim["started_ticks"])) / os.sysconf("SC_CLK_TCK")
        before_ms = (born_s - accounted.started_s) * 1000
    if end is not None and accounted.ended_s is not None:
        after_ms = (accounted.ended_s - parse_moment(str(end["ended_at"])).timestamp()) * 1000
    return int(max(0, before_ms) + max(0, after_ms))


def summarise(clocks: Sequence[Clocks]) -> str:
    """Return a table: per kind the attempts, and in seconds the largest differences between two clocks."""
    lines = [
        f"{'':<26}{'attempts':>9}{'disputed':>9}{'bill/sacct':>12}{'bill/shim':>11}{'sacct/shim':>12}{'around':>8}"
    ]
    for kind in Kind:
        some = [one for one in clocks if one.kind is kind]
        if some:
            largest_ms: Mapping[int, int] = {
                12: max(abs(one.billed_ms - one.accounted_ms) for one in some),
                11: max(abs(one.billed_ms - one.reported_ms) for one in some),
                13: max(abs(one.accounted_ms - one.reported_ms) for one in some),
            }
            figures = "".join(f"{ms / 1000:>{width}.2f}" for width, ms in largest_ms.items())
            around_s = max(one.around_ms for one in some) / 1000
            disputed = sum(one.is_disputed for one in some)
            lines.append(f"{kind:<26}{len(some):>9}{disputed:>9}{figures}{around_s:>7.2f}")
    return "\n".join(lines)
