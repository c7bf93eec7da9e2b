"""Give a service user back to the pool, once no work of its organisation is left here."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lilong.agent.accepted import Accepted
from lilong.agent.engines.slurm.book import Book
from lilong.agent.engines.slurm.client import Cluster
from lilong.agent.engines.slurm.native import NATIVE, NativeRecord
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.engines.slurm.states import is_over
from lilong.agent.engines.slurm.users import JobUsers, UserBusy
from lilong.agent.spool import SUBMIT, Spool, read_model
from lilong.common.errors import EngineBusy

_NAMED_MAX = 3


def release_user(*, home: Path, settings: SlurmSettings, name: str, confirm: Callable[[], None]) -> str:
    """Take a service user from its organisation and return whose it was; also while the agent serves.

    confirm: called when nothing stands against it; what it raises leaves everything as it is. What the user's jobs left
    in its own home and running on nodes is root's to remove, before this. Raises UserNotHeld, UserBusy, and EngineBusy
    where the queue cannot be read.
    """

    def check(organisation_id: str) -> None:
        work = _find_work(home, settings, user=name, organisation_id=organisation_id)
        if work:
            raise UserBusy(detail=f"{name} of {organisation_id}: {'; '.join(work)}.")
        confirm()

    return JobUsers(settings=settings, home=home).release(name, check=check)


def _find_work(home: Path, settings: SlurmSettings, *, user: str, organisation_id: str) -> list[str]:
    cluster = Cluster(bin=settings.bin, conf=settings.conf, timeout_s=settings.command_timeout_s)
    attempts = _list_attempts(Spool(home=home), user=user, organisation_id=organisation_id)
    return [
        *_count("attempts here that the hub has not released", attempts),
        *_count("jobs in the queue", _list_jobs(cluster, user=user)),
    ]


def _list_attempts(spool: Spool, *, user: str, organisation_id: str) -> list[str]:
    """Return the live attempts of an organisation, or of a user, whoever it was then."""
    found: list[str] = []
    for folder in spool.list_live():
        accepted = read_model(folder.path / SUBMIT, Accepted)
        record = read_model(folder.path / NATIVE, NativeRecord)
        is_organisations = accepted is not None and accepted.submit.organisation_id == organisation_id
        if is_organisations or (record is not None and record.user == user):
            found.append(folder.attempt_id)
    return found


def _list_jobs(cluster: Cluster, *, user: str) -> list[str]:
    """Return the numbers of a user's jobs that are not over, ours or not."""
    reading = Book(cluster=cluster, users=[user], look_every_s=0).read_queue(now=True)
    if not reading.complete:
        raise EngineBusy(detail="squeue did not tell the whole queue.")
    return [str(row.job_id) for rows in reading.rows.values() for row in rows if not is_over(row.state)]


def _count(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = "" if len(names) <= _NAMED_MAX else f" and {len(names) - _NAMED_MAX} more"
    return [f"{len(names)} {what} ({', '.join(names[:_NAMED_MAX])}{more})"]
