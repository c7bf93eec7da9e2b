"""Bring an attempt's files to its user's folder on the cluster, and fetch what is kept of them."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lilong.agent.engines.port import Job
from lilong.agent.engines.rank.launch import Bounds, Isolation, NativeJob, Place, build_rank, list_job_folders
from lilong.agent.engines.rank.sandbox import Accelerators
from lilong.agent.engines.slurm.conversation import AttemptFolderExists, FolderTooLarge
from lilong.agent.engines.slurm.devices import find_device_variables
from lilong.agent.engines.slurm.gathering import Gathering
from lilong.agent.engines.slurm.identity import Delivery, JobUser, Upload, measure
from lilong.agent.engines.slurm.native import NativeRecord
from lilong.agent.spool import AttemptFolder, remove_tree
from lilong.common.errors import EngineBusy
from lilong.protocol.manifest import FILES_MAX
from lilong.protocol.spec import Isolation as Trust

SECRETS = "secrets"
_HOSTNAME = "node"
_SMALL_FILES_MAX, _SMALL_BYTES_MAX = 500, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wrapping:
    """How ranks are wrapped on this cluster. accelerators: what sandboxes show of those that are open to them."""

    bounds: Bounds
    isolation: Isolation
    accelerators: Mapping[str, Accelerators]


def bring(
    *,
    user: JobUser,
    gathering: Gathering,
    job: Job,
    record: NativeRecord,
    wrapping: Wrapping,
    on_bytes: Callable[[int], None],
) -> None:
    """Put the whole attempt into the user's folder, in place of what an earlier try left there.

    gathering: of that user; what is large goes by itself, so that nothing small waits for it.

    Nothing is removed unless something is in the way: a helper that outlives an agent that was killed would else remove
    what the next one has brought.
    """
    folders = [f"job/{name}" for name in list_job_folders(nodes=job.spec.nodes)]
    uploads = [*_list_files(AttemptFolder(job.folder)), *_list_rank_files(job, record=record, wrapping=wrapping)]
    if job.secrets_folder is not None:
        uploads += [Upload(f"{SECRETS}/{name}", job.secrets_folder / name) for name in job.spec.secrets]
    try:
        if len(uploads) <= _SMALL_FILES_MAX and sum(map(measure, uploads)) <= _SMALL_BYTES_MAX:
            gathering.put(Delivery(job.attempt_id, tuple(uploads), tuple(folders)))
        else:
            user.put(attempt_id=job.attempt_id, uploads=uploads, folders=folders)
    except AttemptFolderExists as error:
        user.remove(attempt_ids=[job.attempt_id])
        raise EngineBusy(detail="What an earlier try had brought was removed first.") from error
    on_bytes(sum(upload.source.stat().st_size for upload in uploads if isinstance(upload.source, Path)))


def fetch(*, user: JobUser, folder: AttemptFolder, wanted: Mapping[str, int]) -> None:
    """Replace the agent's copy of the work folder by what the job left below these paths.

    Where there is more than `wanted` allows, a file without content stands for it, one byte too large.
    """
    remove_tree(folder.work)
    folder.work.mkdir(parents=True)
    for path, bytes_max in wanted.items():
        target, remote = folder.work / path, f"job/work/{path}"
        try:
            found = user.list_files(
                attempt_id=folder.attempt_id, paths=[remote], files_max=FILES_MAX, bytes_max=bytes_max
            )
        except FolderTooLarge:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(mode=0o600)
            os.truncate(target, bytes_max + 1)
            continue
        if found.missing:
            continue
        if [file.path for file in found.files] != [remote]:
            target.mkdir(parents=True, exist_ok=True)
        left = bytes_max
        for file in found.files:
            left -= _fetch_file(user, folder=folder, path=file.path, executable=file.executable, bytes_max=left + 1)


def _fetch_file(user: JobUser, *, folder: AttemptFolder, path: str, executable: bool, bytes_max: int) -> int:
    target = folder.path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # two outputs may name one file
    size_bytes = user.download(attempt_id=folder.attempt_id, path=path, target=target, bytes_max=bytes_max)
    if size_bytes is not None and executable:
        target.chmod(0o700)
    return size_bytes or 0


def _list_files(folder: AttemptFolder) -> Iterator[Upload]:
    for parent, _, names in os.walk(folder.job):
        for name in names:
            path = Path(parent, name)
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                relative = path.relative_to(folder.path).as_posix()
                yield Upload(relative, path, executable=bool(facts.st_mode & stat.S_IXUSR))


def _list_rank_files(job: Job, *, record: NativeRecord, wrapping: Wrapping) -> Iterator[Upload]:
    spec = job.spec
    accelerator = spec.resources.accelerator
    place = Place(
        hostname=_HOSTNAME,
        device_variables=find_device_variables(accelerator_id=accelerator) if accelerator else (),
        accelerators=wrapping.accelerators.get(accelerator) if accelerator else None,
    )
    native = NativeJob(
        ref=record.ref,
        attempt_id=job.attempt_id,
        run_id=job.run_id,
        number=job.number,
        hub_id=job.hub_id,
        token=job.token,
        nonce=job.nonce,
        report_key=job.report_key,
        spec=spec,
        authorised_ms=job.authorised_ms,
        uid=None,
        environment_folder=str(job.environment_folder),
        secrets_folder=str(record.remote / SECRETS) if job.secrets_folder is not None else "",
        sandboxed=is_sandboxed(spec_isolation=spec.isolation, isolation=wrapping.isolation),
    )
    for rank in range(spec.nodes):
        files = build_rank(
            folder=AttemptFolder(record.remote),
            job=native,
            rank=rank,
            place=place,
            bounds=wrapping.bounds,
            isolation=wrapping.isolation,
        )
        for name, content in files.items():
            yield Upload(f"ranks/{rank}/{name}", content)


def is_sandboxed(*, spec_isolation: Trust, isolation: Isolation) -> bool:
    """Return whether a job runs in the sandbox."""
    return isolation.sandboxed and spec_isolation is Trust.UNTRUSTED
