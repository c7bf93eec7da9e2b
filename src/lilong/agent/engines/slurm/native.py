"""Files of the Slurm engine in an attempt folder: native, submitting, ordered, told (to wrappers), allotted, over."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from lilong.agent.engines.port import Job, NativeState
from lilong.agent.engines.slurm.commands import build_job_name
from lilong.agent.engines.slurm.layout import HELPER_S_MAX
from lilong.agent.engines.slurm.parsing import AccountedJob, QueueRow
from lilong.agent.engines.slurm.picking import Picked
from lilong.agent.spool import AttemptFolder, Spool, read_model
from lilong.protocol.messages import Allocation
from lilong.protocol.spec import Frozen, RunSpec

NATIVE, SUBMITTING, ORDERED, TOLD, OVER = "native.json", "submitting.json", "ordered.json", "told.json", "over.json"
DROPPED, ALLOTTED = "dropped.json", "allotted.json"


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
    """submitting.json: sbatch was called at this moment, and may or may not have made a job.

    answered_at: when it had ended, whatever it said; None where that is not known.
    """

    called_at: datetime
    answered_at: datetime | None = None

    def find_settled_at(self, *, message_timeout_s: int) -> datetime:
        """Return from when on a job that nobody knows will never be made by this call."""
        ended_at = self.answered_at or self.called_at + timedelta(seconds=HELPER_S_MAX)
        return ended_at + timedelta(seconds=message_timeout_s)


class Ordered(Frozen):
    """ordered.json: the order to stop as it was first given, by the hub or by a wait that was too long.

    told.json: the same, with the moment from which on the wrappers could read it.
    """

    reason: str
    grace_s: int
    at: datetime


class Allotted(Frozen):
    """allotted.json: the accelerators that the job was given, by Slurm's books; asked for once, when it had started."""

    allocated: tuple[Allocation, ...]


class Over(Frozen):
    """over.json: how the job ended and what accounting metered, for good: the cluster forgets."""

    state: NativeState
    metered_ms: int


@dataclass(slots=True)
class Seen:
    """One job while it is looked at.

    begun: a wrapper had started before the queue was read. rows, accounted: jobs of its name and user; picked: which
    of them it is. lags: not all that its wrappers have written is here.
    """

    folder: AttemptFolder
    record: NativeRecord
    submitting: Submitting
    order: Ordered | None = None
    begun: bool = False
    begun_as: int | None = None
    rows: tuple[QueueRow, ...] = ()
    accounted: tuple[AccountedJob, ...] = ()
    picked: Picked = field(default_factory=Picked)
    lags: bool = False

    @property
    def row(self) -> QueueRow | None:
        """What the queue says of it."""
        return self.picked.row

    @property
    def accounting(self) -> AccountedJob | None:
        """What accounting says of it, if it was asked."""
        return self.picked.accounting

    @property
    def has_started(self) -> bool:
        """Whether it was ever on a node, as far as queue and accounting say."""
        segments = self.accounting.segments if self.accounting else ()
        return bool(self.row and self.row.nodes) or any(segment.nodes for segment in segments)


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
