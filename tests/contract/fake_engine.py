"""A deterministic engine in memory: what `world` holds outlives any FakeEngine, as a cluster outlives an agent.

It understands `true`, `false`, `echo TEXT` and `sleep SECONDS`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lilong.agent.ends import ENDS, end_for
from lilong.agent.engines.port import Estimate, Job, Metered, NativeState, Observed, OwnedJob
from lilong.common.errors import EngineRefused, FieldProblem
from lilong.protocol.messages import AttemptState, Capabilities, Inventory, NodeInventory, Profile, Reason, Usage
from lilong.protocol.spec import RunSpec

CORES = 2


@dataclass
class FakeJob:
    job: Job
    ref: str
    authorised_ms: int
    began_s: float = field(default_factory=time.monotonic)
    cancelled: Reason | None = None
    stopped_s: float | None = None


@dataclass
class World:
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    submissions: int = 0


class FakeEngine:
    def __init__(self, world: World) -> None:
        self.world = world

    def caps(self) -> Capabilities:
        return Capabilities(engine="fake", gang=True, sandbox=True, network=False, accounting=True)

    def probe(self) -> Inventory:
        live = [one for one in self.world.jobs.values() if self._end(one) is None]
        free = max(0, CORES - sum(one.job.spec.resources.cores * one.job.spec.nodes for one in live))
        node = NodeInventory(
            name="fake", cores_total=CORES, cores_free=free, memory_mib_total=4096, memory_mib_free=4096
        )
        return Inventory(
            observed_at=datetime.now(UTC),
            capabilities=self.caps(),
            profiles=(Profile(name="python3", python_version="3.11.2", platform="linux_x86_64"),),
            nodes=(node,),
        )

    def validate(self, *, spec: RunSpec) -> list[FieldProblem]:
        if spec.resources.cores > CORES:
            return [FieldProblem(path="resources", code="engine.unsupported", message="Too many cores.")]
        return []

    def estimate(self, *, spec: RunSpec) -> Estimate:
        return Estimate(p50_s=0, p90_s=0, basis="free")

    def submit(self, *, job: Job) -> str:
        ref = f"lilong-{job.hub_id}-{job.token}"
        if self.validate(spec=job.spec):
            raise EngineRefused(detail="Too many cores.")
        if ref not in self.world.jobs:
            self.world.jobs[ref] = FakeJob(job=job, ref=ref, authorised_ms=job.authorised_ms)
            self.world.submissions += 1
        return ref

    def observe(self, *, refs: Sequence[str]) -> Observed:
        known = {ref: self._state(self.world.jobs[ref]) for ref in refs if ref in self.world.jobs}
        return Observed(states=known, complete=True)

    def list_owned(self, *, hub_id: str) -> Sequence[OwnedJob]:
        mine = [one for one in self.world.jobs.values() if one.job.hub_id == hub_id]
        return [OwnedJob(ref=one.ref, attempt_id=one.job.attempt_id, token=one.job.token) for one in mine]

    def cancel(self, *, ref: str, reason: Reason, grace_s: int) -> None:
        one = self.world.jobs.get(ref)
        if one is not None and self._end(one) is None:
            one.cancelled, one.stopped_s = reason, self._elapsed_s(one)

    def extend(self, *, ref: str, authorised_ms: int) -> None:
        one = self.world.jobs.get(ref)
        if one is not None:
            one.authorised_ms = max(one.authorised_ms, authorised_ms)

    def logs(self, *, ref: str, rank: int, offset: int, limit: int) -> bytes:
        one = self.world.jobs.get(ref)
        return self._log(one)[offset : offset + limit] if one is not None and rank < one.job.spec.nodes else b""

    def usage(self, *, refs: Sequence[str]) -> Mapping[str, Metered]:
        found: dict[str, Metered] = {}
        for ref in refs:
            one = self.world.jobs.get(ref)
            if one is not None:
                metered_ms = min(int(self._elapsed_s(one) * 1000), one.authorised_ms)
                found[ref] = Metered(usage=Usage(metered_ms=metered_ms, authorised_ms=one.authorised_ms))
        return found

    def _log(self, one: FakeJob) -> bytes:
        command = one.job.spec.command
        return (command.removeprefix("echo ") + "\n").encode() if command.startswith("echo ") else b""

    def _seconds(self, one: FakeJob) -> float:
        command = one.job.spec.command
        return float(command.removeprefix("sleep ")) if command.startswith("sleep ") else 0.0

    def _elapsed_s(self, one: FakeJob) -> float:
        if one.stopped_s is not None:
            return one.stopped_s
        return min(time.monotonic() - one.began_s, self._seconds(one), one.authorised_ms / 1000)

    def _end(self, one: FakeJob) -> Reason | None:
        if one.cancelled is not None:
            return one.cancelled
        if self._elapsed_s(one) >= self._seconds(one):
            return Reason.EXIT_NONZERO if one.job.spec.command == "false" else Reason.COMPLETED
        return Reason.AUTHORITY_REACHED if self._elapsed_s(one) * 1000 >= one.authorised_ms else None

    def _state(self, one: FakeJob) -> NativeState:
        reason, now = self._end(one), datetime.now(UTC)
        log_bytes = {0: len(self._log(one))}
        if reason is None:
            return NativeState(state=AttemptState.RUNNING, started_at=now, nodes=("fake",), log_bytes=log_bytes)
        state, fault = end_for(reason, asked_by_hub=True) if one.cancelled else ENDS[reason]
        code = {Reason.COMPLETED: 0, Reason.EXIT_NONZERO: 1}.get(reason)
        return NativeState(
            state=state, reason=reason, fault=fault, started_at=now, ended_at=now, exit_code=code, nodes=("fake",),
            log_bytes=log_bytes,
        )  # fmt: skip
