"""Files of the Slurm engine in an attempt folder: native, submitting, ordered, told (to the wrappers), over."""

from datetime import datetime
from pathlib import Path

from lilong.agent.engines.port import Job, NativeState
from lilong.agent.engines.slurm.commands import build_job_name
from lilong.agent.spool import AttemptFolder, Spool, read_model
from lilong.protocol.spec import Frozen, RunSpec

NATIVE, SUBMITTING, ORDERED, TOLD, OVER = "native.json", "submitting.json", "ordered.json", "told.json", "over.json"
DROPPED = "dropped.json"


class NativeRecord(Frozen):
    """native.json: whose job it is on the cluster and where; written before anything is there.

    ref: the native job's name. user: the member's, there. remote: the attempt's folder there.
    """

    ref: str
    attempt_id: str
    hub_id: str
    token: str
    user: str
    remote: Path
    spec: RunSpec
    authorised_ms: int
    queue_wait_s: int | None


class Submitting(Frozen):
    """submitting.json: sbatch was called at this moment, and may or may not have made a job."""

    called_at: datetime


class Ordered(Frozen):
    """ordered.json: the order to stop as it was first given, by the hub or by a wait that was too long."""

    reason: str
    grace_s: int
    at: datetime


class Over(Frozen):
    """over.json: how the job ended and what accounting metered, for good: the cluster forgets."""

    state: NativeState
    metered_ms: int


def name_job(job: Job) -> str:
    """Return the native job's name, which is its ref."""
    return build_job_name(hub_id=job.hub_id, token=job.token, attempt_id=job.attempt_id)


def record_job(*, job: Job, user: str, jobs_folder: Path) -> NativeRecord:
    """Return the record of a job that goes to this user's folder."""
    return NativeRecord(
        ref=name_job(job),
        attempt_id=job.attempt_id,
        hub_id=job.hub_id,
        token=job.token,
        user=user,
        remote=jobs_folder / user / job.attempt_id,
        spec=job.spec,
        authorised_ms=job.authorised_ms,
        queue_wait_s=job.queue_wait_s,
    )


def list_records(*, spool: Spool, known: dict[str, NativeRecord]) -> list[tuple[AttemptFolder, NativeRecord]]:
    """Return every live attempt that was brought to the cluster; `known` remembers what never changes."""
    found: list[tuple[AttemptFolder, NativeRecord]] = []
    for folder in spool.list_live():
        record = known.get(folder.attempt_id) or read_model(folder.path / NATIVE, NativeRecord)
        if record is not None:
            known[folder.attempt_id] = record
            found.append((folder, record))
    return found
