"""Fill a pool with live attempts and let its agent speak: what the hub needed. Run by sync.py in a hub of its own."""

import statistics
import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from lilong.foundation.runs.services.sync import sync
from lilong.protocol.messages import AttemptState, Submit, SyncRequest
from tests.bench._copies import Copier
from tests.pools import ScriptedAgent, at, make_inventory, open_pool, settle, submit


def measure(*, live: int, told: int, rounds: int) -> dict[str, float]:
    """Return what a sync costs that tells of `told` attempts in turn: milliseconds for each part, queries, KiB."""
    agent = open_pool()
    taken = fill(agent, live=live)
    sync(
        pool_id=agent.pool_id,
        request=SyncRequest.model_validate_json(say(agent, taken, number=0, told=live)),
        now=at(100),
    )
    reading_ms: list[float] = []
    working_ms: list[float] = []
    cpu_ms: list[float] = []
    content = b""
    for number in range(1, rounds + 1):
        content = say(agent, taken, number=number, told=told)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        request = SyncRequest.model_validate_json(content)
        read_s = time.perf_counter()
        sync(pool_id=agent.pool_id, request=request, now=at(100 + 5 * number)).model_dump_json()
        cpu_ms.append((time.process_time() - began_cpu_s) * 1000)
        working_ms.append((time.perf_counter() - read_s) * 1000)
        reading_ms.append((read_s - began_s) * 1000)
    request = SyncRequest.model_validate_json(say(agent, taken, number=rounds + 1, told=told))
    with CaptureQueriesContext(connection) as captured:
        sync(pool_id=agent.pool_id, request=request, now=at(100 + 5 * (rounds + 1)))
    return {
        "reading": statistics.median(reading_ms),
        "median": statistics.median(working_ms),
        "cpu": statistics.median(cpu_ms),
        "worst": max(working_ms),
        "queries": len(captured),
        "kib": len(content) / 1024,
    }


def fill(agent: ScriptedAgent, *, live: int) -> list[Submit]:
    """Let so many attempts run on the agent's pool: one through the services, the others copied from it."""
    submit(agent)
    first = agent.take(seconds=1)
    agent.sync(agent.see(first, AttemptState.RUNNING, seconds=2, ms=1), seconds=2)
    settle(seconds=3)
    copier = Copier(run_id=first.run_id)
    copies = [first.model_copy(update={"attempt_id": copier.add(pool_id=agent.pool_id)}) for _ in range(live - 1)]
    copier.save()
    for copy in copies:
        agent.reports[copy.attempt_id, 0] = list(agent.reports[first.attempt_id, 0])
    return [first, *copies]


def say(agent: ScriptedAgent, taken: list[Submit], *, number: int, told: int) -> bytes:
    """Return a sync in which so many attempts, in turn, have run on, with one new signed report each."""
    seconds, start = 100 + 5 * number, number * told % len(taken)
    turn = [*taken, *taken][start : start + told]
    observations = [agent.see(one, AttemptState.RUNNING, seconds=seconds, ms=5_000 * number + 1) for one in turn]
    quiet = {one.attempt_id for one in taken} - {one.attempt_id for one in turn}
    request = SyncRequest(
        protocol_version=1,
        agent_version="0.1.0",
        epoch=agent.epoch,
        boot_id=agent.boot_id,
        sent_at=at(seconds),
        complete=True,
        inventory=make_inventory(),
        unchanged=tuple(sorted(quiet)),
        observations=tuple(
            seen.model_copy(update={"reports": seen.reports if number == 0 else seen.reports[-1:]})
            for seen in observations
        ),
    )
    return request.model_dump_json().encode()
