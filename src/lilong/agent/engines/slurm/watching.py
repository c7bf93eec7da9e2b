"""Look at all jobs of the spool at once: the queue, the wrappers' files, accounting; carry out orders to stop."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from lilong.agent.engines.port import TERMINAL_STATES, NativeState
from lilong.agent.engines.rank.parsing import JobFacts
from lilong.agent.engines.slurm import mirror
from lilong.agent.engines.slurm.book import Book, Reading
from lilong.agent.engines.slurm.identity import Upload
from lilong.agent.engines.slurm.native import (
    DROPPED,
    NATIVE,
    ORDERED,
    OVER,
    SUBMITTING,
    TOLD,
    NativeRecord,
    Ordered,
    Over,
    Submitting,
    list_records,
)
from lilong.agent.engines.slurm.parsing import AccountedJob, QueueRow
from lilong.agent.engines.slurm.states import decide_state, is_over, is_waiting, meter_accounting
from lilong.agent.engines.slurm.users import JobUsers, find_uid
from lilong.agent.spool import AUTHORITY, CANCEL, AttemptFolder, Spool, read_json, read_model, write_bytes, write_json
from lilong.common.errors import LilongError
from lilong.protocol.messages import AttemptState, Reason

_ACCOUNTING_BEFORE = timedelta(hours=1)
_KILL_MARGIN = timedelta(seconds=15)
DROPS_MAX = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """States by ref; uncertain: refs of which nothing can be said now. complete: the queue told all that it knows."""

    states: Mapping[str, NativeState]
    uncertain: frozenset[str]
    complete: bool


@dataclass(slots=True)
class _Seen:
    """One job while it is looked at. begun: a wrapper had started before the queue was read."""

    folder: AttemptFolder
    record: NativeRecord
    called_at: datetime
    row: QueueRow | None = None
    accounting: AccountedJob | None = None
    order: Ordered | None = None
    begun: bool = False
    lags: bool = False


class Watching:
    """What is known of every job that was submitted. Used by one thread."""

    def __init__(
        self,
        *,
        spool: Spool,
        book: Book,
        users: JobUsers,
        message_timeout_s: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._spool = spool
        self._book = book
        self._users = users
        self._message_timeout_s = message_timeout_s
        self._clock = clock
        self._records: dict[str, NativeRecord] = {}
        self._over: dict[str, Over] = {}
        self._metered_ms: dict[str, int] = {}
        self._expected: dict[str, NativeState] = {}
        self._look: tuple[float, Look] | None = None
        self._to_drop = self._list_undropped()

    def drop(self, *, attempt_id: str) -> None:
        """Note that an attempt's folder on the cluster may go once the spool has released it."""
        record = self._records.get(attempt_id) or read_model(self._spool.folder(attempt_id).path / NATIVE, NativeRecord)
        if record is not None:
            self._to_drop[attempt_id] = record.user

    def expect(self, ref: str) -> None:
        """Note that this job was submitted just now, after the last reading of the queue."""
        self._expected[ref] = NativeState(state=AttemptState.QUEUED, reason=Reason.WAITING_FOR_CAPACITY)

    def list_submitted(self) -> list[tuple[NativeRecord, datetime]]:
        """Return the jobs of the spool that were given to sbatch, and when."""
        return [(seen.record, seen.called_at) for seen in self._list_jobs()]

    def look(self) -> Look:
        """Return where all jobs stand; looked at anew when the queue was read anew. Raises EngineBusy."""
        reading = self._book.read_queue()
        if self._look is not None and self._look[0] == reading.at_s:
            look = self._look[1]
            return replace(look, states={**self._expected, **look.states})
        self._expected.clear()
        jobs = self._list_jobs()
        for seen in jobs:
            seen.row = self._pick_row(seen, reading)
        complete = self._read_accounting([seen for seen in jobs if self._needs_accounting(seen)])
        self._refresh_copies(jobs)
        self._drop_released()
        states: dict[str, NativeState] = {}
        uncertain: set[str] = set()
        for seen in jobs:
            try:
                state = self._decide(seen, is_complete=complete and reading.complete)
            except LilongError as error:  # of one user's helper: the others' jobs are looked at all the same
                log.warning("job not looked at", ref=seen.record.ref, code=error.code, detail=error.detail)
                state = None
            if state is None:
                uncertain.add(seen.record.ref)
            else:
                states[seen.record.ref] = state
        look = Look(states=states, uncertain=frozenset(uncertain), complete=complete and reading.complete)
        self._look = (reading.at_s, look)
        return look

    def carry_out_order(self, ref: str) -> None:
        """Do at once what the newest look allows for an order to stop; what fails now is done at the next look."""
        for seen in self._list_jobs():
            if seen.record.ref == ref:
                try:
                    seen.row = self._pick_row(seen, self._book.read_queue())
                    self._enforce(seen)
                except LilongError as error:
                    log.info("order is carried out later", ref=ref, code=error.code, detail=error.detail)

    def cancel_stranger(self, ref: str) -> None:
        """End a native job of this name of which the spool knows nothing."""
        for row in self._book.read_queue(now=True).rows.get(ref, ()):
            for user in self._users.list_names():
                if row.uid == find_uid(user) and not is_over(row.state):
                    self._users.of(user).cancel(job_ids=[str(row.job_id)])

    def read_facts(self, folder: AttemptFolder, record: NativeRecord, *, alive: bool = True) -> JobFacts:
        """Return what the copies of the wrappers' files say."""
        order = read_model(folder.path / ORDERED, Ordered)
        ranks = tuple(mirror.read_rank(folder=folder, rank=rank, alive=alive) for rank in range(record.spec.nodes))
        return JobFacts(
            dispatched=any(rank.has_shim for rank in ranks),
            sandboxed=False,
            node_names=(),
            cancel={"reason": order.reason, "grace_s": order.grace_s} if order else None,
            ranks=ranks,
        )

    @staticmethod
    def read_authority(folder: AttemptFolder, record: NativeRecord) -> int:
        """Return the most that the job may be metered now."""
        fresh = (read_json(folder.path / AUTHORITY) or {}).get("authorised_ms")
        return max(record.authorised_ms, fresh if isinstance(fresh, int) else 0)

    def read_metered_ms(self, folder: AttemptFolder, ref: str) -> int | None:
        """Return what Slurm has metered of a job, None while it has said nothing."""
        over = self._over.get(ref) or read_model(folder.path / OVER, Over)
        return over.metered_ms if over else self._metered_ms.get(ref)

    def _list_undropped(self) -> dict[str, str]:
        """Return the users by released attempt whose folders on the cluster an agent before us has not deleted."""
        found: dict[str, str] = {}
        for path in self._spool.released.iterdir():
            record = None if (path / DROPPED).exists() else read_model(path / NATIVE, NativeRecord)
            if record is not None:
                found[path.name] = record.user
        return found

    def _drop_released(self) -> None:
        """Delete the folders of released attempts, in one call for each user."""
        by_user: dict[str, list[str]] = defaultdict(list)
        for attempt_id, user in self._to_drop.items():
            if (self._spool.released / attempt_id).exists():
                by_user[user].append(attempt_id)
        for user, attempt_ids in by_user.items():
            try:
                self._users.of(user).remove(attempt_ids=attempt_ids[:DROPS_MAX])
            except LilongError as error:
                log.warning("folders are deleted later", user=user, code=error.code, detail=error.detail)
                continue
            for attempt_id in attempt_ids[:DROPS_MAX]:
                write_json(self._spool.released / attempt_id / DROPPED, {}, durable=False)
                self._to_drop.pop(attempt_id)

    def _list_jobs(self) -> list[_Seen]:
        """Return the jobs that were given to sbatch; of those that are over nothing more is asked."""
        found: list[_Seen] = []
        for folder, record in list_records(spool=self._spool, known=self._records):
            submitting = read_model(folder.path / SUBMITTING, Submitting)
            if submitting is None:
                continue
            if record.ref not in self._over:
                over = read_model(folder.path / OVER, Over)
                if over is not None:
                    self._over[record.ref] = over
            order = read_model(folder.path / ORDERED, Ordered)
            begun = any((folder.rank(rank) / "shim.json").exists() for rank in range(record.spec.nodes))
            called_at = submitting.called_at
            found.append(_Seen(folder=folder, record=record, called_at=called_at, order=order, begun=begun))
        return found

    def _pick_row(self, seen: _Seen, reading: Reading) -> QueueRow | None:
        """Return the queue's row of a job. Of two with one name the first to start stays; the others are cancelled."""
        uid = find_uid(seen.record.user)  # a name is free for everybody to take
        rows = [row for row in reading.rows.get(seen.record.ref, ()) if row.uid == uid]
        live = sorted((row for row in rows if not is_over(row.state)), key=lambda row: is_waiting(row.state))
        if len(live) > 1:
            log.warning("a job stands twice in the queue", ref=seen.record.ref, kept=live[0].job_id)
            self._users.of(seen.record.user).cancel(job_ids=[str(row.job_id) for row in live[1:]])
        return next(iter(live), None) or next(iter(rows[-1:]), None)

    def _needs_accounting(self, seen: _Seen) -> bool:
        return seen.record.ref not in self._over and (seen.row is None or is_over(seen.row.state))

    def _read_accounting(self, jobs: list[_Seen]) -> bool:
        """Let accounting tell of ended jobs; return whether it told all that is needed of those the queue lacks."""
        if not jobs:
            return True
        names, since = [seen.record.ref for seen in jobs], min(seen.called_at for seen in jobs) - _ACCOUNTING_BEFORE
        try:
            found, complete = self._book.read_accounting(names=names, since=since)
        except LilongError as error:
            log.warning("accounting does not answer", code=error.code, detail=error.detail)
            return all(seen.row is not None for seen in jobs)
        for seen in jobs:
            uid = find_uid(seen.record.user)
            accounted = [one for one in found.get(seen.record.ref, ()) if one.segments[0].uid == uid]
            same = [one for one in accounted if seen.row is None or one.job_id == seen.row.job_id]
            seen.accounting = next(iter(same), None)
        return complete

    def _refresh_copies(self, jobs: list[_Seen]) -> None:
        by_user: dict[str, list[_Seen]] = defaultdict(list)
        for seen in jobs:
            begun = seen.row is None or not is_waiting(seen.row.state) or seen.folder.rank(0).exists()
            if seen.record.ref not in self._over and begun:
                by_user[seen.record.user].append(seen)
        for user, mine in by_user.items():
            try:
                behind = mirror.refresh(
                    user=self._users.of(user), jobs={seen.folder: seen.record.spec.nodes for seen in mine}
                )
            except LilongError as error:
                log.warning("wrappers' files cannot be read", user=user, code=error.code, detail=error.detail)
                behind = {seen.record.attempt_id for seen in mine}
            for seen in mine:
                seen.lags = seen.record.attempt_id in behind

    def _decide(self, seen: _Seen, *, is_complete: bool) -> NativeState | None:
        ref = seen.record.ref
        if ref in self._over:
            return self._over[ref].state
        settled_at = seen.called_at + timedelta(seconds=self._message_timeout_s)
        gone = seen.row is None and seen.accounting is None and is_complete and self._clock() >= settled_at
        facts = self.read_facts(seen.folder, seen.record)
        decision = decide_state(
            native=seen.row,
            accounting=seen.accounting,
            wrapper=facts,
            begun=seen.begun,
            now=self._clock(),
            gone=gone,
        )
        if decision.cancel_native and seen.row is not None:
            self._users.of(seen.record.user).cancel(job_ids=[str(seen.row.job_id)])
        state = decision.state
        self._meter(seen, state)
        if state is None or (state.state in TERMINAL_STATES and seen.lags):
            return None
        if state.state in TERMINAL_STATES:
            return self._close(seen, state)
        self._note_wait(seen, state)
        self._enforce(seen)
        return state

    def _meter(self, seen: _Seen, state: NativeState | None) -> None:
        """Keep what Slurm meters, which never shrinks: accounting counts in whole seconds, as the queue does."""
        segments = seen.accounting.segments if seen.accounting else ()
        by_accounting = meter_accounting(segments=segments, began_at=state.started_at if state else None)
        by_queue = seen.row.elapsed_s * 1000 if seen.row and not is_waiting(seen.row.state) and not segments else 0
        metered_ms = max(by_accounting, by_queue, self._metered_ms.get(seen.record.ref, 0))
        self._metered_ms[seen.record.ref] = metered_ms

    def _close(self, seen: _Seen, state: NativeState) -> NativeState:
        """Write down the end for good."""
        over = Over(state=state, metered_ms=self._metered_ms.get(seen.record.ref, 0))
        write_json(seen.folder.path / OVER, over)
        self._over[seen.record.ref] = over
        return state

    def _note_wait(self, seen: _Seen, state: NativeState) -> None:
        """Order a job off the queue that has waited longer than its run can afford."""
        wait_s = seen.record.queue_wait_s
        if state.state is not AttemptState.QUEUED or wait_s is None or seen.order is not None:
            return
        if self._clock() >= seen.called_at + timedelta(seconds=wait_s):
            seen.order = Ordered(reason=Reason.QUEUE_WAIT_EXCEEDED.value, grace_s=0, at=self._clock())
            write_json(seen.folder.path / ORDERED, seen.order)

    def _enforce(self, seen: _Seen) -> None:
        """Take a waiting job off the queue; tell the wrappers of a running one, and kill it when its grace is over."""
        order, row = seen.order or read_model(seen.folder.path / ORDERED, Ordered), seen.row
        if order is None or row is None or is_over(row.state):
            return
        user = self._users.of(seen.record.user)
        if is_waiting(row.state):
            user.cancel(job_ids=[str(row.job_id)])
        elif order.reason == Reason.QUEUE_WAIT_EXCEEDED:
            (seen.folder.path / ORDERED).unlink(missing_ok=True)  # it started just before
        elif self._clock() >= order.at + timedelta(seconds=order.grace_s) + _KILL_MARGIN:
            user.cancel(job_ids=[str(row.job_id)])
        elif not seen.folder.has(TOLD):
            told = json.dumps({"reason": order.reason, "grace_s": order.grace_s}).encode()
            user.put_files(attempt_id=seen.record.attempt_id, uploads=[Upload(CANCEL, told)])
            write_bytes(seen.folder.path / TOLD, told)
