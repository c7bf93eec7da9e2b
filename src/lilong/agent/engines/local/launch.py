"""Prepare a rank's folder and start its shim. Everything here may be done again until the shim has begun."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lilong.agent.engines.local import sandbox, shim
from lilong.agent.engines.local.capacity import Seat
from lilong.agent.engines.local.cgroups import Groups, make_rank_groups
from lilong.agent.spool import AttemptFolder, write_bytes, write_json
from lilong.protocol.messages import HEARTBEAT_S
from lilong.protocol.spec import Frozen, RunSpec

MIB = 1024 * 1024
OWNED = "owned.json"
SHIM_JSON = "shim.json"
_GRACE_MS_DEFAULT = 2_000
_OPEN_FILES_MAX = 65_536
_HEAP_SLACK_BYTES = 256 * MIB
_SHIM_START_S = 30
_LAUNCHER_VARIABLES = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """What the operator gives: size of the pool, users for jobs, and bounds that hold for every rank.

    nodes: the machine counts as so many equal nodes. uid_first, uid_count: users that own nothing else here.
    """

    nodes: int = 1
    cores: int | None = None
    memory_mib: int | None = None
    uid_first: int = 1_000_000_000
    uid_count: int = 900
    network: bool = False
    log_bytes_max: int = 64 * MIB
    processes_max: int = 512
    files_max: int = 200_000


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this machine can do for a job.

    drops_user: jobs get users of their own (the agent is root). stages: folders can be bound in a private mount
    namespace first. sandboxed: jobs run under bubblewrap. seccomp: the compiled filter.
    """

    drops_user: bool
    stages: bool
    sandboxed: bool
    system: sandbox.System
    groups: Groups
    seccomp: bytes


class NativeJob(Frozen):
    """A job in the local engine's queue: all that starting it needs, even after the agent was restarted.

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


def group_name(*, attempt_id: str, rank: int) -> str:
    """Return the name of a rank's control groups."""
    return f"lilong-{attempt_id}-{rank}"


def give_to_user(*, folder: AttemptFolder, job: NativeJob) -> None:
    """Make the job's folders and hand them, and the secrets, to its user; once, before any of its code runs."""
    if folder.has(OWNED):
        return
    names = ["work", "rendezvous"]
    for rank in range(job.spec.nodes):
        names += [f"home-{rank}", f"tmp-{rank}"]
    for name in names:
        (folder.job / name).mkdir(parents=True, exist_ok=True)
    if job.uid is not None:
        for root in [str(folder.job), *([job.secrets_folder] if job.secrets_folder else [])]:
            for parent, _, files in os.walk(root):
                for path in [parent, *(os.path.join(parent, name) for name in files)]:  # noqa: PTH118 - thousands of files
                    os.chown(path, job.uid, job.uid, follow_symlinks=False)
    folder.job.chmod(0o700)
    write_json(folder.path / OWNED, {"uid": job.uid}, durable=False)


def prepare_rank(
    *, folder: AttemptFolder, job: NativeJob, seat: Seat, rank: int, limits: LocalLimits, isolation: Isolation
) -> None:
    """Write the rank's launch.json and what it names. Its control groups are made here, too.

    After a loss of power all of it is written again, or the shim had begun and is lost.
    """
    rank_folder = folder.rank(rank)
    rank_folder.mkdir(parents=True, exist_ok=True)
    rank_folder.chmod(0o711)
    folders = _find_folders(folder, job=job, rank=rank)
    _write_given(folders.given, spec=job.spec)
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
    script = f"{places['given']}/job.sh"
    files: dict[int, str] = {}
    if job.sandboxed:
        options = sandbox.build_options(
            sources=sources,
            places=places,
            system=isolation.system,
            variables=variables,
            network=spec.network,
            shared_memory_bytes=spec.resources.memory_mib * MIB // 2,
            hostname=seat.node,
        )
        write_bytes(rank_folder / "options", sandbox.pack_options(options), durable=False)
        write_bytes(rank_folder / "seccomp", isolation.seccomp, durable=False)
        files = {sandbox.OPTIONS_FD: "options", sandbox.SECCOMP_FD: "seccomp"}
        command = sandbox.build_sandboxed_command(script=script, processes_max=limits.processes_max)
    else:
        command = ["/bin/sh", script]
    launch = _describe(job, folder=folder, seat=seat, rank=rank, limits=limits, isolation=isolation)
    launch |= {
        "argv": [*prefix, *command],
        "files": files,
        "environment": _LAUNCHER_VARIABLES if job.sandboxed else variables,
        "cwd": "/",
        "shell_depth": sandbox.SHELL_DEPTH_SANDBOXED if job.sandboxed else sandbox.SHELL_DEPTH_BARE,
    }
    write_json(rank_folder / "launch.json", launch, durable=False)


def start_shim(rank_folder: Path) -> bool:
    """Start the rank's shim, which detaches; returns whether one has begun. A second one ends without effect."""
    command = [sys.executable, "-I", "-S", shim.__file__, str(rank_folder)]
    subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # its end is noticed at once; the end of a process with a time limit is polled for
        stderr=subprocess.DEVNULL,
        env=_LAUNCHER_VARIABLES,
        cwd="/",
        start_new_session=True,
        timeout=_SHIM_START_S,
    )
    return (rank_folder / SHIM_JSON).exists()


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


def _write_given(given: Path, *, spec: RunSpec) -> None:
    given.mkdir(exist_ok=True)
    stop_signal = spec.checkpoint.signal if spec.checkpoint else "TERM"
    texts = {
        "job.sh": sandbox.build_script(command=spec.command, stop_signal=stop_signal),
        "passwd": f"root:x:0:0::/:/bin/false\njob:x:{sandbox.INNER_ID}:{sandbox.INNER_ID}::{sandbox.HOME}:/bin/sh\n",
        "group": f"root:x:0:\njob:x:{sandbox.INNER_ID}:\n",
    }
    for name, text in texts.items():
        write_bytes(given / name, text.encode(), durable=False)
        (given / name).chmod(0o644)
    given.chmod(0o755)


def _build_prefix(
    folders: sandbox.Folders, *, job: NativeJob, isolation: Isolation
) -> tuple[list[str], Mapping[str, str]]:
    by_name = folders.by_name()
    if job.uid is None:
        return [], {name: str(path) for name, path in by_name.items()}
    drop = sandbox.build_drop(uid=job.uid)
    if not isolation.stages:
        return drop, {name: str(path) for name, path in by_name.items()}
    stage, sources = sandbox.build_stage(folders=by_name)
    return [*stage, *drop], sources


def _describe(
    job: NativeJob, *, folder: AttemptFolder, seat: Seat, rank: int, limits: LocalLimits, isolation: Isolation
) -> dict[str, object]:
    """Return limits and identity of the rank as the shim reads them."""
    spec = job.spec
    memory_bytes = spec.resources.memory_mib * MIB
    disk_bytes = spec.resources.disk_mib * MIB * spec.nodes
    groups = make_rank_groups(
        groups=isolation.groups,
        name=group_name(attempt_id=job.attempt_id, rank=rank),
        memory_bytes=memory_bytes,
        processes_max=limits.processes_max,
    )
    open_files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], _OPEN_FILES_MAX)
    rlimits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": disk_bytes, "RLIMIT_NOFILE": open_files}
    if groups.memory_events is None:
        rlimits["RLIMIT_DATA"] = memory_bytes + _HEAP_SLACK_BYTES
    if job.uid is not None and not job.sandboxed:
        rlimits["RLIMIT_NPROC"] = limits.processes_max
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
        "files_max": limits.files_max,
        "memory_max": memory_bytes,
        "processes_max": limits.processes_max,
        "log_max": limits.log_bytes_max,
        "secrets": job.secrets_folder,
        "cgroups": [str(path) for path in groups.joins],
        "memory_events": str(groups.memory_events or ""),
        "pids_events": str(groups.pids_events or ""),
        "rlimits": rlimits,
        "cores": list(seat.cores),
    }
