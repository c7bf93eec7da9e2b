"""The embedded engine: a queue in the spool, seats on this machine, shims that outlive the agent."""

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter

from lilong.agent.ends import ENDS
from lilong.agent.engines.local.capacity import Node, Seat, describe_nodes, find_seats
from lilong.agent.engines.local.cgroups import Groups, remove_rank_groups
from lilong.agent.engines.local.host import end_leftovers, has_processes, is_same_process, read_boot_id
from lilong.agent.engines.local.start import LocalLimits, give_to_user, group_name, prepare_rank, start_shim
from lilong.agent.engines.port import TERMINAL_STATES, Estimate, Job, Metered, NativeState, Observed, OwnedJob
from lilong.agent.engines.rank.launch import SHIM_JSON, Isolation, NativeJob
from lilong.agent.engines.rank.parsing import (
    JobFacts,
    RankFacts,
    is_shim_lost,
    parse_reports,
    parse_state,
    parse_usage,
)
from lilong.agent.spool import AUTHORITY, CANCEL, AttemptFolder, Spool, read_json, write_bytes, write_json
from lilong.common.errors import EngineRefused, FieldProblem
from lilong.protocol import spec as run_spec
from lilong.protocol.messages import Capabilities, Inventory, Profile, Reason
from lilong.protocol.spec import Network, RunSpec

NATIVE, DISPATCH, CLEARED = "native.json", "dispatch.json", "cleared.json"
_SEATS = TypeAdapter(tuple[Seat, ...])
_STARTS_MAX = 3


class LocalEngine:
    """Runs jobs on this machine. Used by one thread; everything it knows stands in the spool."""

    def __init__(
        self,
        *,
        spool: Spool,
        nodes: Sequence[Node],
        profiles: Sequence[Profile],
        limits: LocalLimits,
        isolation: Isolation,
        groups: Groups,
        sandbox_reason: str,
        trusted_reason: str,
        may_start: Callable[[], bool],
        clock: Callable[[], datetime],
    ) -> None:
        """sandbox_reason: why untrusted work is refused, empty when the sandbox was proven.

        trusted_reason: why even trusted work is refused, empty on a machine where jobs get a user that is not root.
        may_start: whether the agent's lease allows to start queued jobs now.
        """
        self._spool = spool
        self._nodes = tuple(nodes)
        self._profiles = tuple(profiles)
        self._limits = limits
        self._isolation = isolation
        self._groups = groups
        self._sandbox_reason = sandbox_reason
        self._trusted_reason = trusted_reason
        self._may_start = may_start
        self._clock = clock
        self._jobs: dict[str, NativeJob] = {}
        self._ended: dict[str, NativeState] = {}
        self._starts: dict[Path, int] = {}

    def caps(self) -> Capabilities:
        """Return what this machine can do; the sandbox counts only when a probe run has proven it."""
        return Capabilities(
            engine="local",
            gang=len(self._nodes) > 1,
            sandbox=not self._sandbox_reason,
            sandbox_reason=self._sandbox_reason,
            network=self._limits.network,
            accounting=True,
        )

    def probe(self) -> Inventory:
        """Return this machine's nodes with what is free."""
        return Inventory(
            observed_at=self._clock(),
            capabilities=self.caps(),
            profiles=self._profiles,
            nodes=describe_nodes(nodes=self._nodes, taken=self._list_taken()),
        )

    def validate(self, *, spec: RunSpec) -> list[FieldProblem]:
        """Return why this machine can never run `spec`."""
        problems: list[FieldProblem] = []

        def refuse(path: str, message: str) -> None:
            problems.append(FieldProblem(path=path, code="engine.unsupported", message=message))

        if spec.isolation is run_spec.Isolation.UNTRUSTED and self._sandbox_reason:
            refuse("isolation", f"Untrusted work needs a sandbox: {self._sandbox_reason}")
        if spec.isolation is run_spec.Isolation.TRUSTED and self._trusted_reason:
            refuse("isolation", self._trusted_reason)
        if spec.network is Network.OUTBOUND and not self._limits.network:
            refuse("network", "Jobs of this pool reach no network.")
        if spec.network is Network.OUTBOUND and spec.isolation is run_spec.Isolation.UNTRUSTED:
            refuse("network", "With the machine's network, the job could reach what listens on it: trusted work only.")
        if spec.resources.accelerators:
            refuse("resources.accelerators", "This machine offers no accelerators.")
        if spec.checkpoint is not None and not hasattr(signal, f"SIG{spec.checkpoint.signal}"):
            refuse("checkpoint.signal", f"{spec.checkpoint.signal} is not a signal.")
        if spec.environment.profile not in {profile.name for profile in self._profiles}:
            refuse("environment.profile", f"There is no base profile {spec.environment.profile}.")
        if find_seats(nodes=self._nodes, taken=(), wanted=spec.resources, ranks=spec.nodes) is None:
            refuse("resources", "This machine is too small, even when it is empty.")
        return problems

    def estimate(self, *, spec: RunSpec) -> Estimate:
        """Return now when there is room; behind others nothing is known."""
        seats = find_seats(nodes=self._nodes, taken=self._list_taken(), wanted=spec.resources, ranks=spec.nodes)
        if seats is not None and not any(not _is_dispatched(folder) for folder, _ in self._list_jobs()):
            return Estimate(p50_s=0, p90_s=2, basis="free")
        return Estimate(p50_s=None, p90_s=None, basis="unknown")

    def submit(self, *, job: Job) -> str:
        """Put the job into the queue, on the disk before this returns."""
        folder = AttemptFolder(job.folder)
        ref = f"lilong-{job.hub_id}-{job.token}"
        if (folder.path / NATIVE).exists():
            return ref
        problems = self.validate(spec=job.spec)
        if problems:
            raise EngineRefused(detail=problems[0].message, fields=problems)
        wait_s = job.queue_wait_s
        native = NativeJob(
            ref=ref,
            attempt_id=job.attempt_id,
            run_id=job.run_id,
            number=job.number,
            hub_id=job.hub_id,
            token=job.token,
            nonce=job.nonce,
            report_key=job.report_key,
            spec=job.spec,
            authorised_ms=job.authorised_ms,
            uid=self._pick_uid() if self._isolation.drops_user else None,
            environment_folder=str(job.environment_folder),
            secrets_folder=str(job.secrets_folder or ""),
            sandboxed=self._isolation.sandboxed,
            leaves_queue_at=None if wait_s is None else self._clock() + timedelta(seconds=wait_s),
        )
        write_json(folder.path / NATIVE, native)
        self._dispatch()
        return ref

    def observe(self, *, refs: Sequence[str]) -> Observed:
        """Return what the spool says, after starting what has room now and ending what lost its shim."""
        self._dispatch()
        wanted = set(refs)
        states = {job.ref: self._look(folder, job) for folder, job in self._list_jobs() if job.ref in wanted}
        return Observed(states=states, complete=True)

    def list_owned(self, *, hub_id: str) -> Sequence[OwnedJob]:
        """Return every job of this hub that the spool still holds."""
        jobs = [job for _, job in self._list_jobs() if job.hub_id == hub_id]
        return [OwnedJob(ref=job.ref, attempt_id=job.attempt_id, token=job.token) for job in jobs]

    def cancel(self, *, ref: str, reason: Reason, grace_s: int) -> None:
        """Leave the order to stop where the shims look for it. The first order stands."""
        for folder, job in self._list_jobs():
            if job.ref == ref and reason in ENDS and not folder.has(CANCEL):
                write_json(folder.path / CANCEL, {"reason": reason.value, "grace_s": grace_s})

    def extend(self, *, ref: str, authorised_ms: int) -> None:
        """Leave the new authority where the shims look for it; it never shrinks."""
        for folder, job in self._list_jobs():
            if job.ref == ref and authorised_ms > self._read_authority(folder, job):
                write_json(folder.path / AUTHORITY, {"authorised_ms": authorised_ms})

    def logs(self, *, ref: str, rank: int, offset: int, limit: int) -> bytes:
        """Return a part of the log that the rank's shim keeps."""
        for folder, job in self._list_jobs():
            if job.ref == ref:
                with suppress(OSError), (folder.rank(rank) / "log").open("rb") as file:
                    file.seek(offset)
                    return file.read(limit)
        return b""

    def usage(self, *, refs: Sequence[str]) -> Mapping[str, Metered]:
        """Return what the shims have metered and reported."""
        wanted, found = set(refs), dict[str, Metered]()
        for folder, job in self._list_jobs():
            if job.ref in wanted:
                reports = [
                    report
                    for rank in range(job.spec.nodes)
                    for report in parse_reports(_read(folder.rank(rank) / "reports.jsonl"))
                ]
                authorised_ms = self._read_authority(folder, job)
                found[job.ref] = parse_usage(_read_facts(folder, job), authorised_ms=authorised_ms, reports=reports)
        return found

    def _list_jobs(self) -> list[tuple[AttemptFolder, NativeJob]]:
        found: list[tuple[AttemptFolder, NativeJob]] = []
        for folder in self._spool.list_live():
            job = self._jobs.get(folder.attempt_id)
            if job is None:
                with suppress(OSError, ValueError):
                    job = NativeJob.model_validate_json((folder.path / NATIVE).read_bytes())
                    self._jobs[folder.attempt_id] = job
            if job is not None:
                found.append((folder, job))
        return found

    def _list_taken(self) -> list[Seat]:
        taken: list[Seat] = []
        for folder, job in self._list_jobs():
            if _is_dispatched(folder) and self._look(folder, job).state not in TERMINAL_STATES:
                taken += _read_seats(folder)
        return taken

    def _dispatch(self) -> None:
        """Seat queued jobs in order, the first that has no room holding back the others; start ranks not yet begun."""
        taken = self._list_taken()
        may_start = self._may_start()
        for folder, job in self._list_jobs():
            if job.ref in self._ended or (folder.has(CANCEL) and not _is_dispatched(folder)):
                continue
            if not _is_dispatched(folder):
                seats = find_seats(nodes=self._nodes, taken=taken, wanted=job.spec.resources, ranks=job.spec.nodes)
                if seats is None or not may_start:
                    may_start = False
                    self._withdraw_if_late(folder, job)
                    continue
                write_bytes(folder.path / DISPATCH, _SEATS.dump_json(seats))
                taken += seats
            self._start_ranks(folder, job)

    def _withdraw_if_late(self, folder: AttemptFolder, job: NativeJob) -> None:
        if job.leaves_queue_at is not None and self._clock() >= job.leaves_queue_at:
            write_json(folder.path / CANCEL, {"reason": Reason.QUEUE_WAIT_EXCEEDED.value, "grace_s": 0})

    def _start_ranks(self, folder: AttemptFolder, job: NativeJob) -> None:
        missing = [rank for rank in range(job.spec.nodes) if not (folder.rank(rank) / SHIM_JSON).exists()]
        if not missing:
            return
        seats = _read_seats(folder)
        give_to_user(folder=folder, job=job)
        for rank in missing:
            rank_folder = folder.rank(rank)
            prepare_rank(
                folder=folder,
                job=job,
                seat=seats[rank],
                rank=rank,
                bounds=self._limits.bounds,
                isolation=self._isolation,
                groups=self._groups,
            )
            self._starts[rank_folder] = self._starts.get(rank_folder, 0) + 1
            if not start_shim(rank_folder) and self._starts[rank_folder] >= _STARTS_MAX:
                write_json(rank_folder / SHIM_JSON, {"pid": 0, "started_ticks": 0, "boot_id": read_boot_id()})

    def _look(self, folder: AttemptFolder, job: NativeJob) -> NativeState:
        if job.ref in self._ended:
            return self._ended[job.ref]
        facts = _read_facts(folder, job)
        if is_shim_lost(facts) and not folder.has(CLEARED):
            _clear(folder, job)
            facts = _read_facts(folder, job)
        state = parse_state(facts)
        if state.state in TERMINAL_STATES:
            for rank in range(job.spec.nodes):
                name = group_name(attempt_id=job.attempt_id, rank=rank)
                remove_rank_groups(groups=self._groups, name=name)
            self._ended[job.ref] = state
        return state

    def _pick_uid(self) -> int:
        taken = {job.uid for _, job in self._list_jobs()}
        for uid in range(self._limits.uid_first, self._limits.uid_first + self._limits.uid_count):
            if uid not in taken and not has_processes(uid):
                return uid
        raise EngineRefused(detail=f"All {self._limits.uid_count} users for jobs are taken.")

    @staticmethod
    def _read_authority(folder: AttemptFolder, job: NativeJob) -> int:
        return max(job.authorised_ms, _int((read_json(folder.path / AUTHORITY) or {}).get("authorised_ms")))


def _clear(folder: AttemptFolder, job: NativeJob) -> None:
    """End what a lost shim left behind; only once, because its user may be another job's after the hub's release."""
    started = [read_json(folder.rank(rank) / "job.json") or {} for rank in range(job.spec.nodes)]
    jobs = [(_int(one.get("pid")), _int(one.get("started_ticks"))) for one in started if one]
    end_leftovers(uid=job.uid, attempt_id=job.attempt_id, jobs=jobs)
    write_json(folder.path / CLEARED, {})


def _is_dispatched(folder: AttemptFolder) -> bool:
    return folder.has(DISPATCH)


def _read_seats(folder: AttemptFolder) -> list[Seat]:
    return list(_SEATS.validate_json(_read(folder.path / DISPATCH)))


def _read_facts(folder: AttemptFolder, job: NativeJob) -> JobFacts:
    dispatched = _is_dispatched(folder)
    return JobFacts(
        dispatched=dispatched,
        sandboxed=job.sandboxed,
        node_names=tuple(seat.node for seat in _read_seats(folder)) if dispatched else (),
        cancel=read_json(folder.path / CANCEL),
        ranks=tuple(_read_rank(folder.rank(rank)) for rank in range(job.spec.nodes)),
    )


def _read_rank(rank_folder: Path) -> RankFacts:
    shim = read_json(rank_folder / SHIM_JSON)
    pid, ticks = _int((shim or {}).get("pid")), _int((shim or {}).get("started_ticks"))
    boot_id = str((shim or {}).get("boot_id"))
    alive = is_same_process(pid=pid, ticks=ticks, boot_id=boot_id)
    log = rank_folder / "log"
    return RankFacts(  # the end is read after the life: a shim that ends in between has written it
        has_shim=shim is not None,
        alive=alive,
        same_boot=boot_id == read_boot_id(),
        running=(rank_folder / "running.json").exists(),
        usage=read_json(rank_folder / "usage.json"),
        end=read_json(rank_folder / "exit.json"),
        log_bytes=log.stat().st_size if log.exists() else 0,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
