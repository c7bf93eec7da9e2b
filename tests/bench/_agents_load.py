"""The agents' half of the bench of agents: one process plays all of them over HTTP. Reads a Load, prints the syncs."""

import asyncio
import json
import ssl
import sys
import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import NamedTuple

import httpx
from pydantic import BaseModel

from lilong.agent.telling import limit_progress
from lilong.common.time import utc_now
from lilong.foundation.runs.core.reports import sign_report
from lilong.protocol.messages import (
    HEARTBEAT_S,
    PROTOCOL_VERSION,
    AcceleratorInventory,
    Allocation,
    AttemptState,
    Capabilities,
    Inventory,
    NodeInventory,
    Observation,
    Profile,
    ReportKind,
    SignedReport,
    SyncRequest,
    SyncResponse,
    Usage,
)

ACCELERATOR = "h100-sxm5"
ACCELERATORS_PER_NODE = 8
PROFILE = Profile(name="python3", python_version="3.11.2", platform="linux_x86_64")
CAPABILITIES = Capabilities(engine="slurm", gang=True, sandbox=True, network=False, accounting=True)
TIMEOUT_S = 60


class AgentState(BaseModel):
    """An agent as a hub knows it. All its attempts run since `started_at`, have one nonce and told the same so far.

    sequence, mac: how many reports each job wrapper has made, and the mac of the last.
    """

    pool_token: str
    boot_id: str
    epoch: int
    nonce: str
    report_key: str
    authorised_ms: int
    started_at: datetime
    sequence: int
    mac: str
    attempt_ids: tuple[str, ...]


class Load(BaseModel):
    """What to do: the agents sync every `period_s`, spread evenly; those of the last `periods` are counted."""

    url: str
    agents: tuple[AgentState, ...]
    period_s: float
    warm_up_periods: int
    periods: int


class Sync(NamedTuple):
    """One sync in seconds: due and ended, since those that count began; how late it began; how long the answer took."""

    due_s: float
    ended_s: float
    late_s: float
    took_s: float


class Job:
    """A running attempt: its wrapper reports each HEARTBEAT_S. reports: those that the hub is not known to have."""

    def __init__(self, *, agent: AgentState, number: int) -> None:
        self._agent = agent
        self.attempt_id = agent.attempt_ids[number]
        self._node = name_node(number)
        self._sequence = agent.sequence
        self._mac = agent.mac
        self._next_ms = HEARTBEAT_S * 1000
        self._reports: list[SignedReport] = []

    def observe(self, *, now: datetime, wanted: int) -> Observation:
        """Return the attempt as it is now, with the reports from `wanted` on."""
        metered_ms = (now - self._agent.started_at) // timedelta(milliseconds=1)
        while self._next_ms <= metered_ms:
            self._report()
        self._reports = [report for report in self._reports if report.sequence >= wanted]
        return Observation(
            attempt_id=self.attempt_id,
            native_ref=self.attempt_id,
            state=AttemptState.RUNNING,
            observed_at=now,
            started_at=self._agent.started_at,
            nodes=(self._node,),
            allocated=(Allocation(node=self._node, accelerator=ACCELERATOR, count=1),),
            usage=Usage(metered_ms=metered_ms, authorised_ms=self._agent.authorised_ms),
            report_key=self._agent.report_key,
            reports=tuple(self._reports),
            report_counts={0: self._sequence},
        )

    def _report(self) -> None:
        bare = SignedReport(
            rank=0, sequence=self._sequence, kind=ReportKind.HEARTBEAT, elapsed_ms=self._next_ms, mac=self._mac
        )
        self._mac = sign_report(
            key=bytes.fromhex(self._agent.report_key),
            nonce=self._agent.nonce,
            attempt_id=self.attempt_id,
            report=bare,
            previous_mac=self._mac,
        )
        self._reports.append(bare.model_copy(update={"mac": self._mac}))
        self._sequence += 1
        self._next_ms += HEARTBEAT_S * 1000


class Player:
    """One agent, which syncs again and again: all its attempts are new at first, and then told by turns."""

    def __init__(self, state: AgentState) -> None:
        self._state = state
        self._jobs = [Job(agent=state, number=number) for number in range(len(state.attempt_ids))]
        self._wanted: dict[str, dict[int, int]] = {}
        self._next = 0

    async def sync(self, client: httpx.AsyncClient) -> float:
        """Sync once and return how long the answer took; raises when the hub refuses or asks for anything."""
        now = utc_now()
        told = self._take_turn()
        observations = [job.observe(now=now, wanted=self._wanted.get(job.attempt_id, {}).get(0, 0)) for job in told]
        request = SyncRequest(
            protocol_version=PROTOCOL_VERSION,
            agent_version="0.1.0",
            epoch=self._state.epoch,
            boot_id=self._state.boot_id,
            sent_at=now,
            complete=True,
            inventory=make_inventory(attempts=len(self._jobs), now=now),
            unchanged=tuple(job.attempt_id for job in self._jobs if job not in told),
            observations=tuple(observations),
        )
        content = request.model_dump_json().encode()
        began_s = time.monotonic()
        response = await client.post(
            "/agent/v1/sync", content=content, headers={"Authorization": f"Bearer {self._state.pool_token}"}
        )
        took_s = time.monotonic() - began_s
        answer = SyncResponse.model_validate_json(response.raise_for_status().content)
        if answer.commands or answer.epoch != self._state.epoch:
            raise RuntimeError(f"The hub does not take these attempts for what they are: {answer}")
        self._wanted |= answer.reports_wanted
        return took_s

    def _take_turn(self) -> list[Job]:
        count = limit_progress(progressed=len(self._jobs)) if self._wanted else len(self._jobs)
        told = [self._jobs[number % len(self._jobs)] for number in range(self._next, self._next + count)]
        self._next += count
        return told


async def play(load: Load) -> list[Sync]:
    """Return all syncs, those of the warm-up too."""
    players = [Player(state) for state in load.agents]
    syncs: list[Sync] = []
    tls = ssl.create_default_context()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        # One for each agent, as in earnest: a pool of many connections is looked through for every request.
        clients = [
            httpx.AsyncClient(base_url=load.url, verify=tls, timeout=TIMEOUT_S, trust_env=False) for _ in players
        ]
        for client in clients:
            await stack.enter_async_context(client)
        began_s = time.monotonic()
        count_from_s = began_s + load.warm_up_periods * load.period_s
        for number, (player, client) in enumerate(zip(players, clients, strict=True)):
            first_s = began_s + number * load.period_s / len(players)
            group.create_task(_play_one(player, client, load, first_s=first_s, count_from_s=count_from_s, syncs=syncs))
        for word, at_s in (("begin", count_from_s), ("end", count_from_s + load.periods * load.period_s)):
            await asyncio.sleep(at_s - time.monotonic())
            print(word, flush=True)
    return syncs


async def _play_one(
    player: Player, client: httpx.AsyncClient, load: Load, *, first_s: float, count_from_s: float, syncs: list[Sync]
) -> None:
    """Let an agent sync in each of its periods; one that the sync before it outlasts falls out."""
    for number in range(load.warm_up_periods + load.periods):
        due_s = first_s + number * load.period_s
        await asyncio.sleep(due_s - time.monotonic())
        late_s = time.monotonic() - due_s
        if late_s < load.period_s:
            took_s = await player.sync(client)
            syncs.append(Sync(due_s - count_from_s, time.monotonic() - count_from_s, late_s, took_s))


def make_inventory(*, attempts: int, now: datetime) -> Inventory:
    """Return a pool on whose accelerators so many attempts run, one each."""
    nodes = tuple(
        NodeInventory(
            name=name_node(first),
            cores_total=64,
            cores_free=56,
            memory_mib_total=512 * 1024,
            memory_mib_free=256 * 1024,
            accelerators=(AcceleratorInventory(accelerator=ACCELERATOR, total=ACCELERATORS_PER_NODE, free=0),),
        )
        for first in range(0, attempts, ACCELERATORS_PER_NODE)
    )
    return Inventory(observed_at=now, capabilities=CAPABILITIES, profiles=(PROFILE,), nodes=nodes)


def name_node(number: int) -> str:
    """Return the node of the attempt of this number."""
    return f"n{number // ACCELERATORS_PER_NODE}"


def main() -> None:
    """Play the load that standard input describes."""
    load = Load.model_validate_json(sys.stdin.buffer.read())
    print(json.dumps(asyncio.run(play(load))))


if __name__ == "__main__":
    main()
