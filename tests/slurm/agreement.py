"""Jobs to which all kinds of things happen on real clusters, for `clocks` to compare what is said of each."""

import csv
import io
import random
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock

from lilong.common.errors import Conflict
from lilong.protocol.exports import USAGE_FILE
from lilong.protocol.messages import Fault
from lilong.sdk.orders import Order
from tests.crash.buyer import Buyer
from tests.crash.jobs import ClusterJobs
from tests.crash.rounds import wait_for_moment
from tests.polling import wait_until
from tests.slurm.clocks import (
    Accounted,
    Clocks,
    Kind,
    find_rank,
    measure_around_ms,
    read_accounting,
    read_reported_ms,
    tell_kind,
)
from tests.slurm.cluster import CommandFailed, shared_folder
from tests.slurm.site import CLUSTERS, running_pair
from tests.slurm.stage import SlurmStage, running_stage

STEPS_FROM, STEPS_TO = 10, 80  # tenths of a second
SUSPENDED_FROM_S, SUSPENDED_TO_S = 3.0, 6.0  # Slurm takes two seconds to suspend a job, and resumes none before
AWAY_S = 2.0
AT_ONCE = 6
WITHIN_S = 300
LOGUE = "#!/bin/sh\nexec /bin/sleep 0.4\n"


class Agreement:
    """Places orders, lets things happen to their jobs, and reads the clocks."""

    def __init__(self, *, stage: SlurmStage, folder: Path, seed: int) -> None:
        self._stage = stage
        self._folder = folder
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
        accounted = wait_until(self._read_accounting, within_s=WITHIN_S, every_s=0.5)
        return [clocks for order in orders for clocks in self._read(order, accounted)]

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
        with suppress(CommandFailed, Conflict):  # the job has just ended
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

    def _read(self, order: Order, accounted: Mapping[str, Mapping[str, Accounted]]) -> Iterator[Clocks]:
        """Yield what the clocks say of each attempt that came to a node."""
        engineer, folder = self._stage.engineer, self._folder / "exports" / order.id
        wait_until(lambda: self._buyer.download(order, folder), within_s=60, every_s=0.5)
        rows = csv.DictReader(io.StringIO((folder / USAGE_FILE).read_text(encoding="utf-8")))
        billed_ms = {row["attempt_id"]: int(row["billable_ms"]) for row in rows}
        disputed = any(step.step == "dispute" for step in engineer.orders.get(order.id).timeline)
        pools = {pool.pool_id: pool for pool in self._stage.pools}
        for attempt in engineer.runs.get(order.run_id).attempts:
            pool = pools[attempt.pool_id]
            slurm, rank = accounted[pool.pool_id].get(attempt.id), find_rank(pool.agent_home, attempt.id)
            if slurm is None or rank is None:
                assert not billed_ms.get(attempt.id), attempt
                continue
            yield Clocks(
                attempt_id=attempt.id,
                kind=tell_kind(attempt, slurm, rank),
                is_providers_fault=attempt.fault == Fault.PROVIDER,
                is_disputed=disputed,
                billed_ms=billed_ms.get(attempt.id, 0),
                accounted_ms=slurm.elapsed_ms,
                reported_ms=read_reported_ms(rank),
                around_ms=measure_around_ms(rank, slurm),
            )

    def _read_accounting(self) -> dict[str, dict[str, Accounted]] | None:
        """Return what accounting says in each pool, once it knows all ends."""
        found = {pool.pool_id: read_accounting(pool.site.cluster) for pool in self._stage.pools}
        is_open = any(one.ended_s is None for attempts in found.values() for one in attempts.values())
        return None if is_open else found


@contextmanager
def running_agreement(folder: Path, *, seed: int) -> Generator[Agreement]:
    """Run both clusters, one of them with a prolog and an epilog that take their time, and a hub in `folder`.

    For those slurmd of 24.11 starts its own program by a descriptor, which cannot be a script, as all are here.
    """
    with ExitStack() as stack:
        place = stack.enter_context(shared_folder())
        logues = {name: place / name.lower() for name in ("Prolog", "Epilog")}
        for path in logues.values():
            path.write_text(LOGUE, encoding="utf-8")
            path.chmod(0o755)
        settings = {"bookworm": {name: str(path) for name, path in logues.items()}}
        sites = stack.enter_context(running_pair(settings=settings))
        stage = stack.enter_context(running_stage(folder, sites=sites))
        yield Agreement(stage=stage, folder=folder, seed=seed)
