"""Jobs to which all kinds of things happen on real clusters, and what bill, accounting and the wrapper say of each.

The three clocks: what an order's usage.csv bills of an attempt; sacct, in whole seconds and without suspensions; the
last of the wrapper's own signed reports. Prolog and epilog run on the cluster's time, so theirs is measured beside.
"""

import csv
import io
import json
import random
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from threading import Lock

from lilong.protocol.exports import USAGE_FILE
from lilong.protocol.messages import Fault, Reason
from lilong.sdk.orders import Order
from tests.crash.buyer import Buyer
from tests.crash.jobs import ClusterJobs
from tests.crash.rounds import wait_for_moment
from tests.polling import wait_until
from tests.slurm.cluster import CommandFailed, shared_folder
from tests.slurm.site import CLUSTERS, running_pair
from tests.slurm.stage import Pool, SlurmStage, running_stage

STEPS_FROM, STEPS_TO = 10, 80  # tenths of a second
SUSPENDED_FROM_S, SUSPENDED_TO_S = 3.0, 6.0  # Slurm takes two seconds to suspend a job, and resumes none before
AWAY_S = 2.0
AT_ONCE = 6
WITHIN_S = 300
TOLERANCE_MS = 2_000
LOGUE = """#!/bin/sh
began=$(/bin/date +%s%3N)
/bin/sleep 0.{tenths}
echo "$SLURM_JOB_ID $(($(/bin/date +%s%3N) - began))" >> {log}
"""


class Kind(StrEnum):
    """What happens to a job."""

    PLAIN = "left alone"
    SUSPENDED = "suspended and resumed"
    CANCELLED = "cancelled by its member"
    REQUEUED = "requeued on the cluster"
    REMOVED = "cancelled on the cluster"
    NODE_FAILED = "its node failed"
    AGAIN = "tried again after that"


ASKED = tuple(kind for kind in Kind if kind is not Kind.AGAIN)


@dataclass(frozen=True, slots=True)
class Clocks:
    """One attempt by all clocks, in milliseconds. logue_ms: its prolog and epilog together."""

    attempt_id: str
    kind: Kind
    is_providers_fault: bool
    is_disputed: bool
    billed_ms: int
    accounted_ms: int
    reported_ms: int
    logue_ms: int

    @property
    def dead_ms(self) -> int:
        """How much longer the cluster counts than the wrapper; of a dead node until its death was noticed."""
        return self.accounted_ms - self.reported_ms

    def find_trouble(self) -> str:
        """Return how the clocks disagree by more than they may without a dispute; empty if they do not.

        After a provider's failure only checkpointed time is billed, and how long a dead node is counted is Slurm's.
        """
        bound_ms = TOLERANCE_MS + self.logue_ms
        compared = [self.accounted_ms, self.reported_ms]
        if not self.is_providers_fault:
            compared.append(self.billed_ms)
        if self.kind is Kind.NODE_FAILED:
            compared = []
        if self.billed_ms > min(self.accounted_ms, self.reported_ms):
            return f"more is billed than one of the clocks bears out: {self}"
        if compared and not self.is_disputed and max(compared) - min(compared) > bound_ms:
            return f"apart by more than {bound_ms} ms: {self}"
        return ""


class Agreement:
    """Places orders, lets things happen to their jobs, and reads the clocks."""

    def __init__(self, *, stage: SlurmStage, folder: Path, logue_log: Path, seed: int) -> None:
        self._stage = stage
        self._folder = folder
        self._logue_log = logue_log
        self._chance = random.Random(seed)
        self._jobs = {pool.site.cluster.name: ClusterJobs(pool.site, hub_id=stage.hub_id) for pool in stage.pools}
        self._buyer = Buyer(
            stage=stage, folder=folder / "orders", jobs=list(self._jobs.values()), settles_within_s=WITHIN_S
        )
        self._placing = Lock()
        self._node_locks = {name: Lock() for name in CLUSTERS}

    def run(self, counts: Mapping[Kind, int]) -> list[Clocks]:
        """Run so many jobs of each kind, some at once, and return every attempt's clocks."""
        kinds = [kind for kind, count in counts.items() for _ in range(count)]
        self._chance.shuffle(kinds)
        seeds = [self._chance.randrange(2**32) for _ in kinds]
        with ThreadPoolExecutor(AT_ONCE) as executor:
            orders = list(executor.map(self._play, kinds, seeds))
        wait_until(self._accounting_is_done, within_s=WITHIN_S, every_s=0.5)
        accounted = {pool.site.cluster.name: self._read_accounting(pool) for pool in self._stage.pools}
        return [
            clocks for kind, order in zip(kinds, orders, strict=True) for clocks in self._read(kind, order, accounted)
        ]

    def _play(self, kind: Kind, seed: int) -> Order:
        """Order a job on one of the clusters, let it happen, and wait for the settlement."""
        chance = random.Random(seed)
        steps = chance.randint(STEPS_FROM, STEPS_TO)
        with self._placing:
            name = chance.choice(list(CLUSTERS))
            self._stage.prefer(name)
            order = self._buyer.place(steps=steps)
        attempt_id = wait_until(partial(self._find_begun, name, order), within_s=WITHIN_S, every_s=0.2)
        wait_for_moment(chance.uniform(0.2, 0.6) * steps / 10)
        with suppress(CommandFailed):  # the job has just ended
            self._happen(kind, name, order, attempt_id, chance)
        self._buyer.wait_until_settled(order)
        return order

    def _find_begun(self, name: str, order: Order) -> str:
        """Return the first attempt once its wrapper runs, or once the order is settled without."""
        for attempt_id in self._buyer.list_attempts(order)[:1]:
            if self._jobs[name].find_shim(attempt_id) is not None or self._buyer.settles(order):
                return attempt_id
        return ""

    def _happen(self, kind: Kind, name: str, order: Order, attempt_id: str, chance: random.Random) -> None:
        [cluster] = [pool.site.cluster for pool in self._stage.pools if pool.site.cluster.name == name]
        rows = [row.split() for row in cluster.run("squeue", "--noheader", "--format=%A %j").splitlines()]
        job_id = next((number for number, job_name in rows if job_name.endswith(attempt_id)), "0")
        if kind is Kind.CANCELLED:
            self._stage.engineer.orders.cancel(order.id)
        elif kind is Kind.REMOVED:
            cluster.run("scancel", job_id)
        elif kind is Kind.SUSPENDED:
            cluster.run("scontrol", "suspend", job_id)
            wait_for_moment(chance.uniform(SUSPENDED_FROM_S, SUSPENDED_TO_S))
            cluster.run("scontrol", "resume", job_id)
        elif kind is Kind.REQUEUED:
            cluster.run("scontrol", "update", f"JobId={job_id}", "Requeue=1")
            cluster.run("scontrol", "requeue", job_id)
        elif kind is Kind.NODE_FAILED:
            with self._node_locks[name]:
                node = self._jobs[name].find_node(attempt_id)
                if node:
                    cluster.kill_node(node)
                    wait_for_moment(chance.uniform(0, AWAY_S))
                    cluster.start_node(node)

    def _read(self, kind: Kind, order: Order, accounted: Mapping[str, Mapping[str, "_Accounted"]]) -> Iterable[Clocks]:
        engineer, folder = self._stage.engineer, self._folder / "exports" / order.id
        wait_until(lambda: self._buyer.download(order, folder), within_s=60, every_s=0.5)
        usage = {
            row["attempt_id"]: row
            for row in csv.DictReader(io.StringIO((folder / USAGE_FILE).read_text(encoding="utf-8")))
        }
        disputed = any(step.step == "dispute" for step in engineer.orders.get(order.id).timeline)
        names = {pool.pool_id: pool.site.cluster.name for pool in self._stage.pools}
        for attempt in engineer.runs.get(order.run_id).attempts:
            name = names[attempt.pool_id]
            found = accounted[name].get(attempt.id, _Accounted())
            failed = attempt.reason in {Reason.NODE_LOST, Reason.SHIM_LOST}
            yield Clocks(
                attempt_id=attempt.id,
                kind=Kind.NODE_FAILED if failed else kind if attempt.number == 1 else Kind.AGAIN,
                is_providers_fault=attempt.fault == Fault.PROVIDER,
                is_disputed=disputed,
                billed_ms=int(usage[attempt.id]["billable_ms"]) if attempt.id in usage else 0,
                accounted_ms=found.elapsed_ms,
                reported_ms=self._read_reported_ms(name, attempt.id),
                logue_ms=self._read_logue_ms(found.job_id) if CLUSTERS[name] == "bookworm" else 0,
            )

    def _accounting_is_done(self) -> bool:
        return not any(one.is_open for pool in self._stage.pools for one in self._read_accounting(pool).values())

    def _read_accounting(self, pool: Pool) -> dict[str, "_Accounted"]:
        """Return what sacct says of each attempt that a node was given to: of the first time, which ran the wrapper."""
        fields = "JobIDRaw,ElapsedRaw,NodeList,End,JobName"
        told = pool.site.cluster.run(
            "sacct", "--duplicates", "--allocations", "--allusers", "--noheader", "--parsable2",
            "--starttime=now-1day", f"--format={fields}",
        )  # fmt: skip
        found: dict[str, _Accounted] = {}
        for line in told.splitlines():
            job_id, elapsed_s, nodes, ended, name = line.split("|")
            if name.startswith("lilong-") and nodes != "None assigned":
                one = _Accounted(job_id=job_id, elapsed_ms=int(elapsed_s) * 1000, is_open=ended == "Unknown")
                found.setdefault(name.rpartition("-")[2], one)
        return found

    def _read_reported_ms(self, name: str, attempt_id: str) -> int:
        [home] = [pool.agent_home for pool in self._stage.pools if pool.site.cluster.name == name]
        for path in home.glob(f"*/{attempt_id}/ranks/0/reports.jsonl"):
            reports = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            return max((int(report["elapsed_ms"]) for report in reports), default=0)
        return 0

    def _read_logue_ms(self, job_id: str) -> int:
        spent_ms: dict[str, int] = defaultdict(int)
        for line in self._logue_log.read_text(encoding="utf-8").splitlines():
            spent_ms[line.split()[0]] += int(line.split()[1])
        return spent_ms[job_id]


@dataclass(frozen=True, slots=True)
class _Accounted:
    job_id: str = ""
    elapsed_ms: int = 0
    is_open: bool = False


@contextmanager
def running_agreement(folder: Path, *, seed: int) -> Generator[Agreement]:
    """Run both clusters, one of them with a prolog and an epilog that take their time, and a hub in `folder`.

    For those slurmd of 24.11 starts its own program by a descriptor, which cannot be a script, as all are here.
    """
    with ExitStack() as stack:
        place = stack.enter_context(shared_folder())
        log = place / "logues"
        sites = stack.enter_context(running_pair(settings={"bookworm": _write_logues(place, log=log)}))
        stage = stack.enter_context(running_stage(folder, sites=sites))
        yield Agreement(stage=stage, folder=folder, logue_log=log, seed=seed)


def _write_logues(folder: Path, *, log: Path) -> Mapping[str, str]:
    """Write a prolog and an epilog that note how long they took; return the lines of slurm.conf that name them."""
    log.touch()
    settings: dict[str, str] = {}
    for tenths, logue in ((4, "Prolog"), (2, "Epilog")):
        path = folder / logue.lower()
        path.write_text(LOGUE.format(tenths=tenths, log=log), encoding="utf-8")
        path.chmod(0o755)
        settings[logue] = str(path)
    return settings


def summarise(clocks: Sequence[Clocks]) -> str:
    """Return a table: per kind the attempts and the largest differences, in seconds."""
    lines = [
        f"{'':<26}{'attempts':>9}{'disputed':>9}{'bill/sacct':>12}{'bill/shim':>12}{'sacct/shim':>12}{'logues':>9}"
    ]
    for kind in Kind:
        some = [one for one in clocks if one.kind is kind]
        if some:
            largest_ms = (
                max(abs(one.billed_ms - one.accounted_ms) for one in some),
                max(abs(one.billed_ms - one.reported_ms) for one in some),
                max(abs(one.dead_ms) for one in some),
            )
            figures = "".join(f"{ms / 1000:>12.2f}" for ms in largest_ms)
            logues = max(one.logue_ms for one in some) / 1000
            disputed = sum(one.is_disputed for one in some)
            lines.append(f"{kind:<26}{len(some):>9}{disputed:>9}{figures}{logues:>9.2f}")
    return "\n".join(lines)
