"""Carry out orders to stop: a waiting job is taken off the queue, a running one is told, then killed.

A helper that fails for one user fails for that user's jobs alone; what could not be done is done at the next look.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from lilong.agent.engines.port import NativeState
from lilong.agent.engines.slurm.identity import Upload
from lilong.agent.engines.slurm.native import ORDERED, TOLD, Ordered, Seen
from lilong.agent.engines.slurm.states import is_live, is_over, is_waiting
from lilong.agent.engines.slurm.users import JobUsers
from lilong.agent.spool import CANCEL, read_model, write_json
from lilong.common.errors import LilongError
from lilong.protocol.messages import AttemptState, Reason

_KILL_MARGIN = timedelta(seconds=15)

log = structlog.get_logger(__name__)


class Stopping:
    """Ends native jobs. Used by one thread."""

    def __init__(self, *, users: JobUsers, clock: Callable[[], datetime]) -> None:
        self._users = users
        self._clock = clock

    def note_wait(self, seen: Seen, state: NativeState) -> None:
        """Order a job off the queue that has waited longer than its run can afford."""
        wait_s = seen.record.queue_wait_s
        if state.state is not AttemptState.QUEUED or wait_s is None or seen.order is not None:
            return
        if self._clock() >= seen.submitting.called_at + timedelta(seconds=wait_s):
            seen.order = Ordered(reason=Reason.QUEUE_WAIT_EXCEEDED.value, grace_s=0, at=self._clock())
            write_json(seen.folder.path / ORDERED, seen.order)

    def forgive_wait(self, seen: Seen) -> None:
        """Drop the order to leave the queue of a job that has started before it could be carried out."""
        if seen.order is not None and seen.order.reason == Reason.QUEUE_WAIT_EXCEEDED and seen.has_started:
            (seen.folder.path / ORDERED).unlink(missing_ok=True)
            seen.order = None

    def enforce(self, seen: Seen) -> None:
        """Do what the order to stop demands now, if there is one."""
        order, row = seen.order, seen.row
        if order is None or row is None or is_over(row.state):
            return
        if is_waiting(row.state):
            self.withdraw(seen, [row.job_id])
            return
        if order.reason == Reason.QUEUE_WAIT_EXCEEDED:
            return
        told = read_model(seen.folder.path / TOLD, Ordered)
        if told is None and self._tell(seen, order):
            return
        began_at = told.at if told else order.at
        if self._clock() >= began_at + timedelta(seconds=order.grace_s) + _KILL_MARGIN:
            self.cancel(seen, [row.job_id])

    def end_surplus(self, seen: Seen, *, is_ended: bool) -> None:
        """Cancel jobs of the same name beside it; of an attempt that has ended, every one."""
        picked = seen.picked
        waiting, started = list(picked.waiting), list(picked.started)
        if is_ended:
            waiting, started = [], [row.job_id for row in seen.rows if is_live(row.state)]
        if waiting:
            self.withdraw(seen, waiting)
        if started:
            self.cancel(seen, started)

    def cancel(self, seen: Seen, job_ids: Sequence[int]) -> None:
        """End these native jobs, whatever they do."""
        self._end(seen, job_ids, waiting_only=False)

    def withdraw(self, seen: Seen, job_ids: Sequence[int]) -> None:
        """End those of these native jobs that still wait: one that has started meanwhile gets no signal by this."""
        self._end(seen, job_ids, waiting_only=True)

    def _end(self, seen: Seen, job_ids: Sequence[int], *, waiting_only: bool) -> None:
        user, numbers = self._users.of(seen.record.user), [str(job_id) for job_id in job_ids]
        log.info("native jobs are ended", ref=seen.record.ref, jobs=numbers, waiting_only=waiting_only)
        try:
            said = user.withdraw(job_ids=numbers) if waiting_only else user.cancel(job_ids=numbers)
        except LilongError as error:
            log.warning("jobs are ended later", ref=seen.record.ref, code=error.code, detail=error.detail)
            return
        if said.exit_code:
            log.warning("scancel failed", ref=seen.record.ref, words=said.stderr[-400:])

    def _tell(self, seen: Seen, order: Ordered) -> bool:
        """Leave the order where the wrappers look for it; return whether it lies there."""
        content = json.dumps({"reason": order.reason, "grace_s": order.grace_s}).encode()
        try:
            user = self._users.of(seen.record.user)
            user.put_files(attempt_id=seen.record.attempt_id, uploads=[Upload(CANCEL, content)])
        except LilongError as error:  # the job may have deleted its folder
            log.warning("wrappers cannot be told", ref=seen.record.ref, code=error.code, detail=error.detail)
            return False
        write_json(seen.folder.path / TOLD, order.model_copy(update={"at": self._clock()}))
        return True
