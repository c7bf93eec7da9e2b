"""The Slurm engine: queue and accounting say where a job is, the wrappers' files what it did, the spool remembers.

Used by one thread, but for `bring` and `fetch`, which touch one attempt's folder alone.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

import structlog

from lilong.agent.ends import ENDS
from lilong.agent.engines.port import CanStage, CanSubmitMany, Estimate, Job, Metered, Observed, OwnedJob
from lilong.agent.engines.rank.parsing import parse_usage
from lilong.agent.engines.slurm import delivery, mirror
from lilong.agent.engines.slurm.client import Cluster
from lilong.agent.engines.slurm.commands import (
    Place,
    build_batch_script,
    build_nodes_query,
    build_submit_options,
    parse_job_name,
)
from lilong.agent.engines.slurm.conversation import ProgramEnded
from lilong.agent.engines.slurm.identity import BatchJob, CommandResult, Upload
from lilong.agent.engines.slurm.layout import Layout, Waits
from lilong.agent.engines.slurm.native import (
    NATIVE,
    ORDERED,
    SUBMITTING,
    NativeRecord,
    Ordered,
    Submitting,
    record_job,
)
from lilong.agent.engines.slurm.nodes import Nodes, parse_nodes
from lilong.agent.engines.slurm.parsing import parse_start_estimate, parse_submitted
from lilong.agent.engines.slurm.reasons import is_ambiguous, is_for_now
from lilong.agent.engines.slurm.starts import believe_start
from lilong.agent.engines.slurm.users import JobUsers
from lilong.agent.engines.slurm.watching import Watching
from lilong.agent.spool import AUTHORITY, AttemptFolder, Spool, read_model, write_bytes, write_json
from lilong.common.errors import EngineBusy, EngineLost, EngineRefused, FieldProblem, LilongError
from lilong.protocol import spec as run_spec
from lilong.protocol.messages import Capabilities, Inventory, Profile, Reason
from lilong.protocol.spec import RunSpec

_MARGIN_S = 120
_SUBMITS_PER_CALL_MAX = 32
_GRACE_S_DEFAULT = 30

log = structlog.get_logger(__name__)


class SlurmEngine(CanStage, CanSubmitMany):
    """Runs jobs on one partition of a cluster."""

    def __init__(
        self,
        *,
        spool: Spool,
        cluster: Cluster,
        users: JobUsers,
        watching: Watching,
        layout: Layout,
        waits: Waits,
        wrapping: delivery.Wrapping,
        profiles: Sequence[Profile],
        sandbox_reason: str,
        closed: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        """Take the parts.

        sandbox_reason: why untrusted work is refused, empty when a probe run has proven the nodes' sandbox. closed: why
        untrusted work does not get an accelerator, for each that it does not get.
        """
        self._spool = spool
        self._cluster = cluster
        self._users = users
        self._watching = watching
        self._layout = layout
        self._waits = waits
        self._wrapping = wrapping
        self._profiles = tuple(profiles)
        self._sandbox_reason = sandbox_reason
        self._closed = closed
        self._clock = clock
        self._nodes: Nodes | None = None

    def caps(self) -> Capabilities:
        """Return what this partition can do."""
        return Capabilities(
            engine="slurm",
            gang=True,
            sandbox=not self._sandbox_reason,
            sandbox_reason=self._sandbox_reason,
            network=True,
            accounting=True,
        )

    def probe(self) -> Inventory:
        """Return the partition's nodes."""
        text = self._cluster.ask(build_nodes_query()).output
        place = self._layout.place
        nodes = parse_nodes(text=text, partition=place.partition, gres=place.gres)
        if not nodes.complete:
            raise EngineBusy(detail="scontrol did not describe every node.")
        self._nodes = nodes
        return Inventory(
            observed_at=self._clock(), capabilities=self.caps(), profiles=self._profiles, nodes=nodes.nodes
        )

    def validate(self, *, spec: RunSpec) -> list[FieldProblem]:
        """Return why this partition can never run `spec`."""
        problems: list[FieldProblem] = []

        def refuse(path: str, message: str) -> None:
            problems.append(FieldProblem(path=path, code="engine.unsupported", message=message))

        untrusted = spec.isolation is run_spec.Isolation.UNTRUSTED
        if untrusted and self._sandbox_reason:
            refuse("isolation", f"Untrusted work needs a sandbox: {self._sandbox_reason}")
        if untrusted and spec.network is run_spec.Network.OUTBOUND:
            refuse("network", "With the node's network, the job could reach what listens on it: trusted work only.")
        accelerator = spec.resources.accelerator
        if untrusted and accelerator is not None and accelerator in self._closed:
            refuse("isolation", f"Untrusted work gets no {accelerator} here: {self._closed[accelerator]}")
        if accelerator is not None and accelerator not in self._layout.place.gres:
            refuse("resources.accelerator", f"This partition has no {accelerator}.")
        if spec.environment.profile not in {profile.name for profile in self._profiles}:
            refuse("environment.profile", f"There is no base profile {spec.environment.profile}.")
        if self._nodes is None:
            self.probe()
        if self._nodes is not None and self._count_fitting(spec, self._nodes) < spec.nodes:
            refuse("resources", f"Fewer than {spec.nodes} nodes of this partition are as large, even when empty.")
        return problems

    def estimate(self, *, spec: RunSpec) -> Estimate:
        """Ask the scheduler when `spec` would start if it came now."""
        name = self._users.list_names()[0]  # accounting lets only who has an account ask
        place = self._layout.find_place(organisation_id=self._users.find_mapped(name))
        options = self._build_options(spec, name="estimate", attempt_id="", folder=PurePosixPath("/"), place=place)
        dry = [option for option in options if not option.startswith(("--chdir", "--output", "--error", "--comment"))]
        said = self._users.of(name).submit(options=[*dry, "--test-only"], script="#!/bin/sh\n")
        now = self._clock()
        starts_at = believe_start(starts_at=parse_start_estimate(text=said.stderr).starts_at, now=now)
        if starts_at is None:
            return Estimate(p50_s=None, p90_s=None, basis="unknown")
        wait_s = max(0, int((starts_at - now).total_seconds()))
        return Estimate(p50_s=wait_s, p90_s=None, basis="scheduler")

    def bring(self, *, job: Job, on_bytes: Callable[[int], None]) -> None:
        """Put the attempt into the folder of its organisation's user; raises EngineRefused where it has none."""
        folder = AttemptFolder(job.folder)
        if folder.has(SUBMITTING):
            return  # it may run already: its folder is its own now
        problems = self.validate(spec=job.spec)
        if problems:
            raise EngineRefused(detail=problems[0].message, fields=problems)
        name = self._users.choose(organisation_id=job.organisation_id)
        record = record_job(job=job, user=name, jobs_folder=self._layout.jobs_folder)
        delivery.bring(
            user=self._users.of(name),
            gathering=self._users.gather(name),
            job=job,
            record=record,
            wrapping=self._wrapping,
            on_bytes=on_bytes,
        )
        write_json(folder.path / NATIVE, record)

    def fetch(self, *, ref: str, wanted: Mapping[str, int]) -> None:
        """Bring what the job left below these paths into the agent's copy of the work folder."""
        folder = self._folder(ref)
        record = folder and read_model(folder.path / NATIVE, NativeRecord)
        if folder is not None and record:
            delivery.fetch(user=self._users.of(record.user), folder=folder, wanted=wanted)

    def drop(self, *, attempt_id: str) -> None:
        """Let the next look delete the attempt's folder on the cluster, with those of others in one call."""
        self._watching.drop(attempt_id=attempt_id)

    def submit(self, *, job: Job) -> str:
        """Hand the job to sbatch as its user, once; an earlier call that was cut off is looked for first."""
        said = self.submit_many(jobs=[job])[job.attempt_id]
        if isinstance(said, LilongError):
            raise said
        return said

    def submit_many(self, *, jobs: Sequence[Job]) -> Mapping[str, str | LilongError]:
        """Submit jobs as `submit` does, those of one user in as few calls of the helper as may be."""
        said: dict[str, str | LilongError] = {}
        fresh: dict[str, list[tuple[Job, NativeRecord]]] = defaultdict(list)
        for job in jobs:
            try:
                record = self._find_record(job)
                if self._was_submitted(job, record):
                    said[job.attempt_id] = record.ref
                else:
                    fresh[record.user].append((job, record))
            except LilongError as error:
                said[job.attempt_id] = error
        for user, mine in fresh.items():
            for start in range(0, len(mine), _SUBMITS_PER_CALL_MAX):
                said |= self._call_sbatch(user, mine[start : start + _SUBMITS_PER_CALL_MAX])
        return said

    def observe(self, *, refs: Sequence[str]) -> Observed:
        """Return the state of each job after a look at queue, wrappers' files and, where needed, accounting."""
        look = self._watching.look()
        wanted = set(refs)
        states = {ref: state for ref, state in look.states.items() if ref in wanted}
        return Observed(states=states, complete=look.complete and not (wanted & look.uncertain))

    def list_owned(self, *, hub_id: str) -> Sequence[OwnedJob]:
        """Return the jobs of this hub in the queue as it is now, and those of the spool that have left it.

        Raises EngineBusy where not all was told, or a submission that was cut off may still come through.
        """
        owned = [(name, parse_job_name(name=name)) for name in sorted(self._watching.list_native())]
        return [
            OwnedJob(ref=name, attempt_id=one.attempt_id, token=one.token)
            for name, one in owned
            if one is not None and one.hub_id == hub_id
        ]

    def cancel(self, *, ref: str, reason: Reason, grace_s: int) -> None:
        """Note the order to stop, the first one for good, and carry it out as far as it can be now."""
        folder = self._folder(ref)
        if folder is None:
            self._watching.cancel_stranger(ref)
        elif reason in ENDS and self._may_be_ordered(folder):
            order = Ordered(reason=reason.value, grace_s=grace_s, at=self._clock())
            write_json(folder.path / ORDERED, order)
            self._watching.carry_out_order(ref)

    def extend(self, *, ref: str, authorised_ms: int) -> None:
        """Leave the new authority where the wrappers look for it; it never shrinks."""
        folder = self._folder(ref)
        record = folder and read_model(folder.path / NATIVE, NativeRecord)
        if folder is not None and record and authorised_ms > self._watching.read_authority(folder, record):
            told = json.dumps({"authorised_ms": authorised_ms}).encode()
            self._users.of(record.user).put_files(attempt_id=record.attempt_id, uploads=[Upload(AUTHORITY, told)])
            write_bytes(folder.path / AUTHORITY, told)

    def logs(self, *, ref: str, rank: int, offset: int, limit: int) -> bytes:
        """Return a part of the copy of a rank's log."""
        folder = self._folder(ref)
        return mirror.read_log(folder=folder, rank=rank, offset=offset, limit=limit) if folder else b""

    def usage(self, *, refs: Sequence[str]) -> Mapping[str, Metered]:
        """Return what Slurm has metered, and the wrappers' reports."""
        found: dict[str, Metered] = {}
        for ref in refs:
            folder = self._folder(ref)
            record = folder and read_model(folder.path / NATIVE, NativeRecord)
            metered_ms = self._watching.read_metered_ms(folder, ref) if folder else None
            if folder is None or not record or metered_ms is None:
                continue
            authorised_ms = self._watching.read_authority(folder, record)
            reports = mirror.read_reports(folder=folder, ranks=record.spec.nodes)
            facts = self._watching.read_facts(folder, record)
            told = parse_usage(facts, authorised_ms=authorised_ms, reports=reports)
            metered_ms = min(metered_ms, authorised_ms)
            usage = told.usage.model_copy(
                update={"metered_ms": metered_ms, "usable_ms": min(told.usage.usable_ms, metered_ms)}
            )
            found[ref] = Metered(usage=usage, reports=told.reports)
        return found

    def _find_record(self, job: Job) -> NativeRecord:
        """Return where the job was brought; it is brought there now where it never was."""
        path = AttemptFolder(job.folder).path / NATIVE
        record = read_model(path, NativeRecord)
        if record is None:
            self.bring(job=job, on_bytes=lambda _: None)
            record = NativeRecord.model_validate_json(path.read_bytes())
        return record

    def _was_submitted(self, job: Job, record: NativeRecord) -> bool:
        """Return whether an earlier call has made a native job; raises EngineBusy while that is not certain."""
        earlier = read_model(AttemptFolder(job.folder).path / SUBMITTING, Submitting)
        if earlier is None:
            return False
        settled_at = earlier.find_settled_at(message_timeout_s=self._waits.message_timeout_s)
        is_settled = self._clock() >= settled_at  # before the look: a job that it misses will then never come
        if self._watching.is_known(record, since=earlier.called_at):
            return True
        if not is_settled:
            raise EngineBusy(detail="Whether Slurm has taken this job is not certain yet.")
        return False

    def _call_sbatch(self, user: str, jobs: Sequence[tuple[Job, NativeRecord]]) -> dict[str, str | LilongError]:
        batch = [self._build_batch_job(job, record) for job, record in jobs]
        submitting = Submitting(called_at=self._clock())
        for job, _ in jobs:
            write_json(AttemptFolder(job.folder).path / SUBMITTING, submitting)
        try:
            answers: Sequence[CommandResult | LilongError] = self._users.of(user).submit_many(jobs=batch)
        except LilongError as error:
            answers = [error] * len(jobs)
        said: dict[str, str | LilongError] = {}
        for (job, record), answer in zip(jobs, answers, strict=True):
            try:
                self._judge(answer, note=AttemptFolder(job.folder).path / SUBMITTING, submitting=submitting)
            except LilongError as error:
                said[job.attempt_id] = error
            else:
                self._watching.expect(record.ref)
                said[job.attempt_id] = record.ref
        return said

    def _build_batch_job(self, job: Job, record: NativeRecord) -> BatchJob:
        layout, remote = self._layout, PurePosixPath(record.remote)
        place = layout.find_place(organisation_id=job.organisation_id, charge_code=job.charge_code)
        options = self._build_options(job.spec, name=record.ref, attempt_id=job.attempt_id, folder=remote, place=place)
        script = build_batch_script(
            spec=job.spec,
            attempt_folder=remote,
            python=layout.python,
            shim=layout.shim,
            srun=layout.srun,
            gres=layout.place.gres,
        )
        return BatchJob(tuple(options), script)

    def _judge(self, answer: CommandResult | LilongError, *, note: Path, submitting: Submitting) -> None:
        """Write down what is known of a call of sbatch; raises unless it has made a job."""
        if isinstance(answer, LilongError) and not isinstance(answer, ProgramEnded):
            raise answer
        # Were this lost with the machine's power, the job would be waited for longer.
        answered = submitting.model_copy(update={"answered_at": self._clock()})
        if isinstance(answer, ProgramEnded):
            write_json(note, answered, durable=False)
            raise answer
        words = (answer.stderr.strip() or answer.stdout.strip())[-800:]
        if answer.exit_code == 0 or is_ambiguous(exit_code=answer.exit_code, words=words):
            write_json(note, answered, durable=False)
            if answer.exit_code or parse_submitted(text=answer.stdout) is None:
                raise EngineLost(detail=f"sbatch: {words}")
            return
        note.unlink(missing_ok=True)
        if is_for_now(words):
            raise EngineBusy(detail=f"sbatch: {words}")
        raise EngineRefused(detail=f"sbatch: {words}")

    def _build_options(
        self, spec: RunSpec, *, name: str, attempt_id: str, folder: PurePosixPath, place: Place
    ) -> list[str]:
        return build_submit_options(
            spec=spec,
            name=name,
            attempt_id=attempt_id,
            attempt_folder=folder,
            place=place,
            grace_s=spec.checkpoint.grace_s if spec.checkpoint else _GRACE_S_DEFAULT,
            margin_s=_MARGIN_S,
        )

    def _folder(self, ref: str) -> AttemptFolder | None:
        """Return the live folder of a job, None when the spool has none, or one whose job has another name."""
        named = parse_job_name(name=ref)
        folder = self._spool.folder(named.attempt_id) if named else None
        record = folder and read_model(folder.path / NATIVE, NativeRecord)
        return folder if record and record.ref == ref else None

    @staticmethod
    def _may_be_ordered(folder: AttemptFolder) -> bool:
        """Return whether there is no order yet, but for ours to leave a queue in which the job may be no more."""
        order = read_model(folder.path / ORDERED, Ordered)
        return order is None or order.reason == Reason.QUEUE_WAIT_EXCEEDED

    @staticmethod
    def _count_fitting(spec: RunSpec, nodes: Nodes) -> int:
        wanted = spec.resources
        return sum(
            node.cores_total >= wanted.cores
            and node.memory_mib_total >= wanted.memory_mib
            and (
                wanted.accelerator is None
                or any(
                    one.accelerator == wanted.accelerator and one.total >= wanted.accelerators
                    for one in node.accelerators
                )
            )
            for node in nodes.nodes
        )
