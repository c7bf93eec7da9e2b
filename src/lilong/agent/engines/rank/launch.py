"""What one rank needs beside its work folder: which files its shim reads and the job finds. Pure: paths, no disk."""

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lilong.agent.engines.rank import sandbox
from lilong.agent.spool import AttemptFolder
from lilong.protocol.messages import HEARTBEAT_S
from lilong.protocol.spec import Frozen, RunSpec

MIB = 1024 * 1024
SHIM_JSON, LAUNCH = "shim.json", "launch.json"
_GRACE_MS_DEFAULT = 2_000
_HEAP_SLACK_BYTES = 256 * MIB
_LAUNCHER_VARIABLES = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for every rank of a pool, whatever its spec says."""

    log_bytes_max: int = 64 * MIB
    processes_max: int = 512
    files_max: int = 200_000
    open_files_max: int = 65_536


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a machine can do for a job.

    drops_user: jobs get users of their own (the agent is root). stages: folders can be bound in a private mount
    namespace first. sandboxed: jobs run under bubblewrap. seccomp: the compiled filter. python: inside the sandbox,
    where whoever ends a job sends SIGTERM to all its processes, bubblewrap among them; empty where nobody does.
    """

    drops_user: bool
    stages: bool
    sandboxed: bool
    system: sandbox.System
    seccomp: bytes
    python: str = ""


@dataclass(frozen=True, slots=True)
class RankGroups:
    """The control groups of one rank: files to join by writing "0", and files that count what the kernel refused."""

    joins: tuple[Path, ...] = ()
    memory_events: Path | None = None
    pids_events: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rank runs. cores: their numbers, none where the engine itself binds the rank.

    device_variables: names that tell the job which accelerators the engine gave it; the shim reads which from there.
    accelerators: what a sandboxed job sees of them, None for nothing.
    """

    hostname: str
    cores: tuple[int, ...] = ()
    groups: RankGroups = RankGroups()
    device_variables: tuple[str, ...] = ()
    accelerators: sandbox.Accelerators | None = None


class NativeJob(Frozen):
    """A job in an engine's queue: all that starting it needs, even after the agent was restarted.

    uid: the user to whom the shim drops, None when it runs as the job's user already.
    leaves_queue_at: when it is withdrawn if it still waits for room.
    """

    ref: str
    attempt_id: str
    run_id: str
    number: int
    hub_id: str
    token: str
    nonce: str
    report_key: str
    spec: RunSpec
    authorised_ms: int
    uid: int | None
    environment_folder: str
    secrets_folder: str
    sandboxed: bool
    leaves_queue_at: datetime | None = None


def list_job_folders(*, nodes: int) -> list[str]:
    """Return the folders below `job` that must be there before any rank starts."""
    own = [f"{name}-{rank}" for rank in range(nodes) for name in ("home", "tmp")]
    return ["work", "rendezvous", *own]


def build_rank(
    *, folder: AttemptFolder, job: NativeJob, rank: int, place: Place, bounds: Bounds, isolation: Isolation
) -> dict[str, bytes]:
    """Return the files of a rank's folder by relative path: launch.json, what it names, and `given` for the job.

    folder: where the shim will find the attempt, which need not be where these files are written first.
    """
    folders = _find_folders(folder, job=job, rank=rank)
    prefix, sources = _build_prefix(folders, job=job, isolation=isolation)
    places = sandbox.inner_places(folders=folders) if job.sandboxed else sources
    spec = job.spec
    variables = sandbox.build_variables(
        variables=spec.variables,
        places=places,
        cores=spec.resources.cores,
        rank=rank,
        nodes=spec.nodes,
        ids={"LILONG_ATTEMPT_ID": job.attempt_id, "LILONG_RUN_ID": job.run_id, "LILONG_ATTEMPT": str(job.number)},
        checkpoint=spec.checkpoint.path if spec.checkpoint else "",
    )
    files = _build_given(spec, devices=f"{places['given']}/devices" if place.device_variables else "")
    script = f"{places['given']}/job.sh"
    handed: dict[int, str] = {}
    if job.sandboxed:
        options = sandbox.build_options(
            sources=sources,
            places=places,
            system=isolation.system,
            variables=variables,
            network=spec.network,
            shared_memory_bytes=spec.resources.memory_mib * MIB // 2,
            hostname=place.hostname,
        )
        files["options"], files["seccomp"] = sandbox.pack_options(options), isolation.seccomp
        handed = {sandbox.OPTIONS_FD: "options", sandbox.SECCOMP_FD: "seccomp"}
        command = sandbox.build_sandboxed_command(
            script=script, processes_max=bounds.processes_max, python=isolation.python
        )
    else:
        command = ["/bin/sh", script]
    launch = _describe(job, folder=folder, rank=rank, place=place, bounds=bounds) | {
        "argv": [*prefix, *command],
        "files": handed,
        "environment": _LAUNCHER_VARIABLES if job.sandboxed else variables,
        "cwd": "/",
        "ignores_term": job.sandboxed and bool(isolation.python),
        "shell_depth": sandbox.SHELL_DEPTH_SANDBOXED if job.sandboxed else sandbox.SHELL_DEPTH_BARE,
    }
    files[LAUNCH] = json.dumps(launch, ensure_ascii=False).encode()
    return files


def _find_folders(folder: AttemptFolder, *, job: NativeJob, rank: int) -> sandbox.Folders:
    return sandbox.Folders(
        work=folder.work,
        home=folder.job / f"home-{rank}",
        tmp=folder.job / f"tmp-{rank}",
        rendezvous=folder.job / "rendezvous",
        given=folder.rank(rank) / "given",
        environment=Path(job.environment_folder),
        secrets=Path(job.secrets_folder) if job.secrets_folder else None,
    )


def _build_given(spec: RunSpec, *, devices: str) -> dict[str, bytes]:
    """Return what the job reads of its own start."""
    stop_signal = spec.checkpoint.signal if spec.checkpoint else "TERM"
    texts = {
        "job.sh": sandbox.build_script(command=spec.command, stop_signal=stop_signal, devices=devices),
        "passwd": f"root:x:0:0::/:/bin/false\njob:x:{sandbox.INNER_ID}:{sandbox.INNER_ID}::{sandbox.HOME}:/bin/sh\n",
        "group": f"root:x:0:\njob:x:{sandbox.INNER_ID}:\n",
    }
    return {f"given/{name}": text.encode() for name, text in texts.items()}


def _build_prefix(
    folders: sandbox.Folders, *, job: NativeJob, isolation: Isolation
) -> tuple[Sequence[str], Mapping[str, str]]:
    by_name = folders.by_name()
    if job.uid is None:
        return [], {name: str(path) for name, path in by_name.items()}
    drop = sandbox.build_drop(uid=job.uid)
    if not isolation.stages:
        return drop, {name: str(path) for name, path in by_name.items()}
    stage, sources = sandbox.build_stage(folders=by_name)
    return [*stage, *drop], sources


def _describe(job: NativeJob, *, folder: AttemptFolder, rank: int, place: Place, bounds: Bounds) -> dict[str, object]:
    """Return limits and identity of the rank as the shim reads them."""
    spec, groups = job.spec, place.groups
    memory_bytes = spec.resources.memory_mib * MIB
    disk_bytes = spec.resources.disk_mib * MIB * spec.nodes
    rlimits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": disk_bytes, "RLIMIT_NOFILE": bounds.open_files_max}
    if groups.memory_events is None:
        rlimits["RLIMIT_DATA"] = memory_bytes + _HEAP_SLACK_BYTES
    if job.uid is not None and not job.sandboxed:
        rlimits["RLIMIT_NPROC"] = bounds.processes_max
    checkpoint = spec.checkpoint
    return {
        "name": f"{job.ref}-{rank}",
        "attempt_id": job.attempt_id,
        "rank": rank,
        "ranks": spec.nodes,
        "nonce": job.nonce,
        "report_key": job.report_key,
        "period_s": HEARTBEAT_S,
        "authorised_ms": job.authorised_ms,
        "walltime_ms": spec.walltime_s * 1000,
        "stop_signal": getattr(signal, f"SIG{checkpoint.signal if checkpoint else 'TERM'}").value,
        "grace_ms": checkpoint.grace_s * 1000 if checkpoint else _GRACE_MS_DEFAULT,
        "checkpoint": str(folder.work / checkpoint.path) if checkpoint else "",
        "measured": str(folder.job),
        "disk_max": disk_bytes,
        "files_max": bounds.files_max,
        "memory_max": memory_bytes,
        "processes_max": bounds.processes_max,
        "log_max": bounds.log_bytes_max,
        "secrets": job.secrets_folder,
        "cgroups": [str(path) for path in groups.joins],
        "memory_events": str(groups.memory_events or ""),
        "pids_events": str(groups.pids_events or ""),
        "rlimits": rlimits,
        "cores": list(place.cores),
        "device_variables": list(place.device_variables),
        "accelerators": _describe_accelerators(job, place=place),
    }


def _describe_accelerators(job: NativeJob, *, place: Place) -> dict[str, object] | None:
    shown, count = place.accelerators, job.spec.resources.accelerators
    if shown is None or not count or not job.sandboxed:
        return None
    return {
        "count": count,
        # A step inherits the numbers of the job's first node, too.
        "numbers_from": "SLURM_JOB_GPUS" if job.spec.nodes == 1 else "SLURM_STEP_GPUS",
        "gres": shown.gres,
        "slurmd": shown.slurmd,
        "common": list(shown.common),
        "optional": list(shown.optional),
        "read_only": list(shown.read_only),
    }
