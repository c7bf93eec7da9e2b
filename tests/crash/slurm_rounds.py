"""The crash test's rounds with real clusters as pools: their daemons and nodes die, too, and are started again."""

import random
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from lilong.sdk.orders import Order
from tests.crash.buyer import Buyer
from tests.crash.jobs import ClusterJobs
from tests.crash.rounds import (
    CrashStage,
    Kill,
    Round,
    end_process,
    kill_process,
    make_crash_folder,
    wait_for_moment,
)
from tests.hub import find_agent_pid
from tests.polling import wait_until
from tests.slurm.site import CLUSTERS, running_pair
from tests.slurm.stage import Pool, SlurmStage, running_stage

LIFE_S, RUN_S = 4.0, 1.0
AWAY_S, NODE_AWAY_S = 6.0, 25.0  # up to so long; a dead node is noticed in between
SETTLES_WITHIN_S = 300


class SlurmCrashStage(CrashStage):
    """A hub with two clusters, of which each round's order prefers one: the one that a kill names, or any."""

    def __init__(self, *, stage: SlurmStage, buyer: Buyer, folder: Path, seed: int, kills: Mapping[str, Kill]) -> None:
        super().__init__(buyer=buyer, folder=folder, seed=seed, kills=kills, kills_in_turn=2)
        self._stage = stage

    def run(self, fault: str) -> Round:
        """Let the order go to the cluster on which `fault` is to strike."""
        named = fault.rpartition(" of ")[2]
        self._stage.prefer(named if named in CLUSTERS else self.random.choice(list(CLUSTERS)))
        return super().run(fault)


@contextmanager
def running_slurm_crash_stage(folder: Path, seed: int) -> Generator[SlurmCrashStage]:
    """Run two clusters, and in `folder` a hub and their agents, whose processes load `inject`."""
    environment = make_crash_folder(folder / "crashes")
    with ExitStack() as stack:
        sites = stack.enter_context(running_pair())
        stage = stack.enter_context(running_stage(folder, sites=sites, environment=environment))
        jobs = {pool.site.cluster.name: ClusterJobs(pool.site, hub_id=stage.hub_id) for pool in stage.pools}
        buyer = Buyer(
            stage=stage, folder=folder / "orders", jobs=list(jobs.values()), settles_within_s=SETTLES_WITHIN_S
        )
        kills = {f"kill:{name}": kill_process(partial(stage.hub.find_pid, name)) for name in ("web", "worker")}
        for pool in stage.pools:
            kills |= _list_kills(pool, buyer=buyer, jobs=jobs[pool.site.cluster.name])
        yield SlurmCrashStage(stage=stage, buyer=buyer, folder=folder / "crashes", seed=seed, kills=kills)


def _list_kills(pool: Pool, *, buyer: Buyer, jobs: ClusterJobs) -> dict[str, Kill]:
    """Return what can be killed of a cluster and beside it."""
    cluster = pool.site.cluster
    daemons: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "controller": (cluster.kill_controller, cluster.start_controller),
        "accounting": (cluster.kill_accounting, cluster.start_accounting),
        "database": (cluster.kill_database, cluster.start_database),
        "munge": (cluster.kill_munge, cluster.start_munge),
    }
    found: dict[str, Kill] = {name: partial(_kill_daemon, kill, start) for name, (kill, start) in daemons.items()}
    found["agent"] = kill_process(partial(find_agent_pid, pool.agent_home.parent), life_s=LIFE_S)
    found["shim"] = partial(_kill_shim, buyer, jobs)
    found["node"] = partial(_kill_node, pool, buyer, jobs)
    return {f"kill:{name} of {cluster.name}": kill for name, kill in found.items()}


def _kill_daemon(kill: Callable[[], None], start: Callable[[], None], _order: Order, chance: random.Random) -> bool:
    """Kill one of Slurm's daemons at a random moment of an order's life, and start it again after a random while."""
    wait_for_moment(chance.uniform(0, LIFE_S))
    kill()
    wait_for_moment(chance.uniform(0, AWAY_S))
    start()
    return True


def _kill_shim(buyer: Buyer, jobs: ClusterJobs, order: Order, chance: random.Random) -> bool:
    """Kill a job's wrapper alone at a random moment after its start."""
    attempt_id = _wait_for_wrapper(buyer, jobs, order)
    wait_for_moment(chance.uniform(0, RUN_S))
    return end_process(jobs.find_shim(attempt_id))


def _kill_node(pool: Pool, buyer: Buyer, jobs: ClusterJobs, order: Order, chance: random.Random) -> bool:
    """Kill the node that runs the job, or before that the one that Slurm will choose; start it after a random while."""
    cluster = pool.site.cluster
    node = cluster.nodes[0].name
    if chance.random() < 0.5:
        wait_for_moment(chance.uniform(0, LIFE_S))
    else:
        attempt_id = _wait_for_wrapper(buyer, jobs, order)
        node = jobs.find_node(attempt_id) or node
        wait_for_moment(chance.uniform(0, RUN_S))
    cluster.kill_node(node)
    wait_for_moment(chance.uniform(0, NODE_AWAY_S))
    cluster.start_node(node)
    return True


def _wait_for_wrapper(buyer: Buyer, jobs: ClusterJobs, order: Order) -> str:
    """Return the id of the first attempt that has a wrapper on this cluster, or of the newest of a settled order."""

    def find() -> str:
        attempts = buyer.list_attempts(order)
        running = [attempt_id for attempt_id in attempts if jobs.find_shim(attempt_id) is not None]
        return next(iter(running), attempts[-1] if attempts and buyer.settles(order) else "")

    return wait_until(find, within_s=SETTLES_WITHIN_S)
