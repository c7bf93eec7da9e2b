"""The hub's half of the bench of agents: pools full of running attempts, the hub's processes, and what they use."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.db import connection

from lilong.common.time import utc_now
from lilong.protocol.messages import Allocation, AttemptState, Submit
from tests.bench._agents_load import ACCELERATOR, AgentState, Load, Sync, make_inventory, name_node
from tests.bench._copies import Copier
from tests.pools import KEEPER, NOON, REPORT_KEY, ScriptedAgent, make_spec, open_pool, settle, submit
from tests.running_web import running_web

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def measure(
    *, home: Path, agents: int, live: int, period_s: int, warm_up_periods: int, periods: int
) -> dict[str, float]:
    """Return how well one web process keeps up with so many agents of `live` attempts each, and who used which core."""
    states = fill(agents=agents, live=live)
    with running_web(home=home) as web, running_worker() as worker:
        load = Load(
            url=web.url,
            agents=tuple(states),
            period_s=period_s,
            warm_up_periods=warm_up_periods,
            periods=periods,
        )
        command = [sys.executable, "-m", "tests.bench._agents_load"]
        player = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert player.stdin is not None
        assert player.stdout is not None
        with player:
            player.stdin.write(load.model_dump_json().encode())
            player.stdin.close()
            roots = {"web": web.list_pids()[0], "worker": worker, "database": find_postmaster(), "load": player.pid}
            assert player.stdout.readline() == b"begin\n"
            before, began_s = {name: read_cpu_s(pid) for name, pid in roots.items()}, time.monotonic()
            busy_before_s = read_busy_s()
            assert player.stdout.readline() == b"end\n"
            took_s = time.monotonic() - began_s
            cores = {name: (read_cpu_s(pid) - before[name]) / took_s for name, pid in roots.items()}
            busy_cores = (read_busy_s() - busy_before_s) / took_s
            load_average = os.getloadavg()[0]
            syncs = [Sync(*sync) for sync in json.loads(player.stdout.read())]
    done = sum(0 <= sync.ended_s < took_s for sync in syncs)
    return {
        "agents": agents,
        "wanted_per_s": agents / period_s,
        "reached_per_s": done / took_s,
        "on_time": sum(sync.due_s >= 0 for sync in syncs) / (agents * periods),
        **sum_up(sorted(sync.took_s * 1000 for sync in syncs if sync.due_s >= 0)),
        "web_ms": cores["web"] * took_s / done * 1000,
        "database_ms": cores["database"] * took_s / done * 1000,
        **{f"{name}_cores": used for name, used in cores.items()},
        "others_cores": busy_cores - sum(cores.values()),
        "load_average": load_average,
    }


def sum_up(latencies_ms: list[float]) -> dict[str, float]:
    """Return the median, the 95th percentile and the worst of sorted latencies."""
    median_ms, p95_ms = (latencies_ms[len(latencies_ms) * part // 100] for part in (50, 95))
    return {"median_ms": median_ms, "p95_ms": p95_ms, "worst_ms": latencies_ms[-1]}


def fill(*, agents: int, live: int) -> list[AgentState]:
    """Open pools and let `live` attempts run on each: the first through the services, the others copied from it."""
    opened = [open_one(number) for number in range(agents)]
    first = opened[0]
    first.nodes = make_inventory(attempts=live, now=utc_now()).nodes
    taken = run_one(first)
    chain = first.reports[taken.attempt_id, 0]
    copy = Copier(run_id=taken.run_id)
    states = [
        AgentState(
            pool_token=agent.pool_token,
            boot_id=agent.boot_id,
            epoch=agent.epoch,
            nonce=taken.nonce,
            report_key=REPORT_KEY,
            authorised_ms=taken.authorised_ms,
            started_at=copy.started_at,
            sequence=len(chain),
            mac=chain[-1].mac,
            attempt_ids=tuple(copy.add(pool_id=agent.pool_id) for _ in range(live - (agent is first)))
            + ((taken.attempt_id,) if agent is first else ()),
        )
        for agent in opened
    ]
    copy.save()
    return states


def open_one(number: int) -> ScriptedAgent:
    """Open the pool of a provider of its own: one organisation may not have so many."""
    keeper = replace(KEEPER, organisation_id=f"{KEEPER.organisation_id}_{number}")
    return open_pool(f"pool-{number}", seconds=seconds_now(), keeper=keeper)


def run_one(agent: ScriptedAgent) -> Submit:
    """Let one attempt run on the agent's pool until all that follows from its start is done."""
    spec = make_spec(walltime_s=3_600, resources={"accelerator": ACCELERATOR, "accelerators": 1})
    submit(agent, spec=spec, authorised_ms=3_600_000, seconds=seconds_now())
    taken = agent.take(seconds=seconds_now())
    node = name_node(0)
    given = (Allocation(node=node, accelerator=ACCELERATOR, count=1),)
    for state, ms in ((AttemptState.STARTING, 0), (AttemptState.RUNNING, 1)):
        seconds = seconds_now()
        agent.sync(agent.see(taken, state, seconds=seconds, ms=ms, nodes=(node,), allocated=given), seconds=seconds)
    settle(seconds=seconds_now())
    return taken


def seconds_now() -> float:
    """Return now on the clock of `tests.pools`."""
    return (utc_now() - NOON).total_seconds()


@contextmanager
def running_worker() -> Iterator[int]:
    """Run the hub's worker until the end of the block and yield its process id."""
    worker = subprocess.Popen([sys.executable, "-m", "lilong.web.worker"])
    try:
        yield worker.pid
    finally:
        worker.terminate()
        worker.wait()


def find_postmaster() -> int:
    """Return the process that all of PostgreSQL's are children of."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    return int(read_stat(backend)[PARENT])


PARENT, USER_TICKS, DEAD_CHILDREN_TICKS = 1, 11, 13
"""Where these stand after the process's name in /proc/PID/stat; of each kind of ticks there are two."""


def read_stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def read_cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children, those included that have ended."""
    ticks = sum(map(int, read_stat(pid)[USER_TICKS : DEAD_CHILDREN_TICKS + 2]))
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        ticks += sum(map(int, read_stat(int(child))[USER_TICKS : DEAD_CHILDREN_TICKS + 2]))
    return ticks / TICKS_PER_S


def read_busy_s() -> float:
    """Return the time during which cores of this machine worked, since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / TICKS_PER_S
