"""Prepare a rank's folder on this machine and start its shim. All of it may be done again until the shim has begun."""

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field, replace

from lilong.agent.engines.local.capacity import Seat
from lilong.agent.engines.local.cgroups import Groups, make_rank_groups
from lilong.agent.engines.rank import shim
from lilong.agent.engines.rank.launch import (
    MIB,
    SHIM_JSON,
    Bounds,
    Isolation,
    NativeJob,
    Place,
    build_rank,
    list_job_folders,
)
from lilong.agent.spool import AttemptFolder, write_bytes, write_json

OWNED = "owned.json"
_SHIM_START_S = 30
_VARIABLES = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


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
    bounds: Bounds = field(default_factory=Bounds)


def group_name(*, attempt_id: str, rank: int) -> str:
    """Return the name of a rank's control groups."""
    return f"lilong-{attempt_id}-{rank}"


def give_to_user(*, folder: AttemptFolder, job: NativeJob) -> None:
    """Make the job's folders and hand them, and the secrets, to its user; once, before any of its code runs."""
    if folder.has(OWNED):
        return
    for name in list_job_folders(nodes=job.spec.nodes):
        (folder.job / name).mkdir(parents=True, exist_ok=True)
    if job.uid is not None:
        for root in [str(folder.job), *([job.secrets_folder] if job.secrets_folder else [])]:
            for parent, _, files in os.walk(root):
                for path in [parent, *(os.path.join(parent, name) for name in files)]:  # noqa: PTH118 - thousands of files
                    os.chown(path, job.uid, job.uid, follow_symlinks=False)
    folder.job.chmod(0o700)
    write_json(folder.path / OWNED, {"uid": job.uid}, durable=False)


def prepare_rank(
    *,
    folder: AttemptFolder,
    job: NativeJob,
    seat: Seat,
    rank: int,
    bounds: Bounds,
    isolation: Isolation,
    groups: Groups,
) -> None:
    """Write the rank's launch.json and what it names. Its control groups are made here, too.

    After a loss of power all of it is written again, or the shim had begun and is lost.
    """
    rank_folder = folder.rank(rank)
    given = rank_folder / "given"
    given.mkdir(parents=True, exist_ok=True)
    rank_folder.chmod(0o711)
    rank_groups = make_rank_groups(
        groups=groups,
        name=group_name(attempt_id=job.attempt_id, rank=rank),
        memory_bytes=job.spec.resources.memory_mib * MIB,
        processes_max=bounds.processes_max,
    )
    open_files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], bounds.open_files_max)
    files = build_rank(
        folder=folder,
        job=job,
        rank=rank,
        place=Place(hostname=seat.node, cores=seat.cores, groups=rank_groups),
        bounds=replace(bounds, open_files_max=open_files),
        isolation=isolation,
    )
    for name, content in files.items():
        write_bytes(rank_folder / name, content, durable=False)
    for path in given.iterdir():
        path.chmod(0o644)
    given.chmod(0o755)


def start_shim(rank_folder: os.PathLike[str]) -> bool:
    """Start the rank's shim, which detaches; returns whether one has begun. A second one ends without effect."""
    command = [sys.executable, "-I", "-S", shim.__file__, os.fspath(rank_folder)]
    subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # its end is noticed at once; the end of a process with a time limit is polled for
        stderr=subprocess.DEVNULL,
        env=_VARIABLES,
        cwd="/",
        start_new_session=True,
        timeout=_SHIM_START_S,
    )
    return os.path.exists(os.path.join(rank_folder, SHIM_JSON))  # noqa: PTH110, PTH118 - one look
