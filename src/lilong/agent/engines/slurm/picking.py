"""Tell which of several native jobs of one name is the attempt's, and which have to go. Pure.

There is more than one only after a submission that came through although it was given up, or by a member's own hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lilong.agent.engines.slurm.parsing import AccountedJob, QueueRow
from lilong.agent.engines.slurm.states import is_live, is_waiting


@dataclass(frozen=True, slots=True)
class Picked:
    """What queue and accounting say of the attempt's own job.

    waiting, started: the numbers of jobs of the same name that are to go; those that have started only once it is
    certain that they are not the attempt's.
    """

    row: QueueRow | None = None
    accounting: AccountedJob | None = None
    waiting: tuple[int, ...] = ()
    started: tuple[int, ...] = ()


def pick_own(*, rows: Sequence[QueueRow], accounted: Sequence[AccountedJob], begun_as: int | None) -> Picked:
    """Return the first that started: the wrapper begins once, and the later ones find it begun.

    begun_as: the job in which the wrapper began, as it says; it counts when queue or accounting knows that job.
    """
    known = {row.job_id for row in rows} | {job.job_id for job in accounted}
    is_certain = begun_as in known
    own_id = begun_as if is_certain else _find_first(rows, accounted)
    surplus = [row for row in rows if row.job_id != own_id and is_live(row.state)]
    return Picked(
        row=next((row for row in rows if row.job_id == own_id), None),
        accounting=next((job for job in accounted if job.job_id == own_id), None),
        waiting=tuple(row.job_id for row in surplus if is_waiting(row.state)),
        started=tuple(row.job_id for row in surplus if is_certain and not is_waiting(row.state)),
    )


def _find_first(rows: Sequence[QueueRow], accounted: Sequence[AccountedJob]) -> int | None:
    """Return the number of the first that started, else of one that still waits, else of one that ended unstarted."""
    started = [(row.started_at, row.job_id) for row in rows if row.nodes and row.started_at is not None]
    started += [
        (segment.started_at, job.job_id)
        for job in accounted
        for segment in job.segments
        if segment.nodes and segment.started_at is not None
    ]
    if started:
        return min(started)[1]
    waiting = [row.job_id for row in rows if is_live(row.state)]
    return min(waiting or [*(row.job_id for row in rows), *(job.job_id for job in accounted)], default=None)
