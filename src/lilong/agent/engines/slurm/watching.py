"""Look at all jobs of the spool at once: the queue, the wrappers' files, accounting; say where each stands."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from lilong.agent.engines.port import TERMINAL_STATES, NativeState
from lilong.agent.engines.rank.parsing import JobFacts
from lilong.agent.engines.slurm import mirror
from lilong.agent.engines.slurm.allotting import Allotting
from lilong.agent.engines.slurm.book import Book, Key
from lilong.agent.engines.slurm.commands import parse_job_name
from lilong.agent.engines.slurm.layout import Waits
from lilong.agent.engines.slurm.native import (
    DROPPED,
    NATIVE,
    ORDERED,
    OVER,
    SUBMITTING,
    NativeRecord,
    Ordered,
    Over,
    Seen,
    Submitting,
    list_records,
)
from lilong.agent.engines.slurm.picking import pick_own
from lilong.agent.engines.slurm.reasons import is_memory_kill
from lilong.agent.engines.slurm.starts import believe_start
from lilong.agent.engines.slurm.states import decide_state, is_over, is_waiting, meter_accounting, meter_queue
from lilong.agent.engines.slurm.stopping import Stopping
from lilong.agent.engines.slurm.users import JobUsers
from lilong.agent.spool import AUTHORITY, AttemptFolder, Spool, read_json, read_model, write_json
from lilong.common.errors import EngineBusy, LilongError
from lilong.protocol.messages import AttemptState, Reason
from lilong.protocol.spec import Isolation

_ACCOUNTING_BEFORE = timedelta(days=1)  # this machine's clock may be wrong by hours
_MISSES_MIN = 3
DROPS_MAX = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """States by ref; uncertain: refs of which nothing can be said now. complete: the queue told all that it knows."""

    states: Mapping[str, NativeState]
    uncertain: frozenset[str]
    complete: bool


class Watching:
    """What is known of every job that was submitted. Used by one thread."""

    def __init__(
        self,
        *,
        spool: Spool,
        book: Book,
        users: JobUsers,
        allotting: Allotting,
        waits: Waits,
        log_bytes_max: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._spool = spool
        self._book = book
        self._users = users
        self._allotting = allotting
        self._waits = waits
        self._log_bytes_max = log_bytes_max
        self._clock = clock
        self._stopping = Stopping(users=users, clock=clock)
        self._records: dict[str, NativeRecord] = {}
        self._over: dict[str, Over] = {}
        self._metered_ms: dict[str, int] = {}
        self._ended_s: dict[str, float] = {}
        self._missed_s: dict[str, list[float]] = {}
        self._expected: dict[str, NativeState] = {}
        self._looked_at: set[str] = set()
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

    def look(self) -> Look:
        """Return where all jobs stand; looked at anew when the queue was read anew. Raises EngineBusy."""
        reading = self._book.read_queue()
        if self._look is not None and self._look[0] == reading.at_s:
            look = self._look[1]
            return replace(look, states={**self._expected, **look.states})
        self._expected.clear()
        jobs = self._list_jobs()
        for seen in jobs:
            seen.rows = reading.rows.get(self._key(seen.record), ())
            seen.picked = pick_own(rows=seen.rows, accounted=(), begun_as=seen.begun_as)
        complete = self._read_accounting([seen for seen in jobs if self._needs_accounting(seen)]) and reading.complete
        self._refresh_copies(jobs)
        self._allotting.refresh([seen for seen in jobs if seen.record.ref not in self._over])
        self._drop_released()
        states: dict[str, NativeState] = {}
        uncertain: set[str] = set()
        for seen in jobs:
            state = self._decide(seen, is_complete=complete)
            if state is None:
                uncertain.add(seen.record.ref)
            else:
                states[seen.record.ref] = state
        look = Look(states=states, uncertain=frozenset(uncertain), complete=complete)
        self._look = (reading.at_s, look)
        self._forget_all_but(jobs)
        return look

    def is_known(self, record: NativeRecord, *, since: datetime) -> bool:
        """Return whether queue or accounting knows a job now; raises EngineBusy where they have not told all."""
        key, queue = self._key(record), self._book.read_queue(now=True)
        if key in queue.rows:
            return True
        found, complete = self._book.read_accounting(names=[record.ref], since=since - _ACCOUNTING_BEFORE)
        if key not in found and not (queue.complete and complete):
            raise EngineBusy(detail="Queue and accounting have not told all that they know.")
        return key in found

    def list_native(self) -> set[str]:
        """Return the names of all jobs in the queue as it is now, and of the spool's that have left it.

        Raises EngineBusy where not all was told, or a submission that was cut off may still come through.
        """
        queue = self._book.read_queue(now=True)
        keys = {record.attempt_id: self._key(record) for _, record in list_records(spool=self._spool, known={})}
        names: set[str] = set()
        for key in queue.rows:
            named = parse_job_name(name=key[1])
            if named is not None and keys.get(named.attempt_id, key) == key:
                names.add(key[1])
        jobs = [seen for seen in self._list_jobs() if seen.record.ref not in names]
        names |= {seen.record.ref for seen in jobs if seen.record.ref in self._over}
        rest = [seen for seen in jobs if seen.record.ref not in self._over]
        complete = queue.complete and self._read_accounting(rest)
        unknown = [seen for seen in rest if not seen.accounted]
        if not complete or any(self._clock() < self._find_settled_at(seen) for seen in unknown):
            raise EngineBusy(detail="Whether Slurm has a job of ours is not certain now.")
        return names | {seen.record.ref for seen in rest if seen.accounted}

    def carry_out_order(self, ref: str) -> None:
        """Do at once what the newest reading allows for an order to stop; the rest is done at the next looks."""
        try:
            reading = self._book.read_queue()
        except LilongError as error:
            log.info("order is carried out later", ref=ref, code=error.code, detail=error.detail)
            return
        for seen in self._list_jobs():
            if seen.record.ref == ref and ref not in self._over:
                seen.rows = reading.rows.get(self._key(seen.record), ())
                seen.picked = pick_own(rows=seen.rows, accounted=(), begun_as=seen.begun_as)
                self._stopping.enforce(seen)

    def cancel_stranger(self, ref: str) -> None:
        """End a native job of this name of which the spool knows nothing."""
        rows = self._book.read_queue(now=True).rows
        for name in self._users.list_names():
            mine = rows.get((self._users.find_uid(name), ref), ())
            numbers = [str(row.job_id) for row in mine if not is_over(row.state)]
            if numbers:
                self._users.of(name).cancel(job_ids=numbers)

    def read_facts(self, folder: AttemptFolder, record: NativeRecord, *, alive: bool = True) -> JobFacts:
        """Return what the copies of the wrappers' files say."""
        order = read_model(folder.path / ORDERED, Ordered)
        ranks = tuple(mirror.read_rank(folder=folder, rank=rank, alive=alive) for rank in range(record.spec.nodes))
        return JobFacts(
            dispatched=any(rank.has_shim for rank in ranks),
            sandboxed=record.spec.isolation is Isolation.UNTRUSTED,
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

    def _key(self, record: NativeRecord) -> Key:
        return self._users.find_uid(record.user), record.ref

    def _find_settled_at(self, seen: Seen) -> datetime:
        return seen.submitting.find_settled_at(message_timeout_s=self._waits.message_timeout_s)

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

    def _list_jobs(self) -> list[Seen]:
        """Return the jobs that were given to sbatch; of those that are over nothing more is asked."""
        found: list[Seen] = []
        for folder, record in list_records(spool=self._spool, known=self._records):
            submitting = read_model(folder.path / SUBMITTING, Submitting)
            if submitting is None:
                continue
            if record.ref not in self._over:
                over = read_model(folder.path / OVER, Over)
                if over is not None:
                    self._over[record.ref] = over
            begun = any(mirror.has_begun(folder=folder, rank=rank) for rank in range(record.spec.nodes))
            order = read_model(folder.path / ORDERED, Ordered)
            begun_as = mirror.find_native_id(folder=folder) if begun else None
            found.append(Seen(folder, record, submitting, order=order, begun=begun, begun_as=begun_as))
        return found

    def _needs_accounting(self, seen: Seen) -> bool:
        if seen.record.ref in self._over:
            return False
        is_elsewhere = seen.begun_as is not None and seen.begun_as not in {row.job_id for row in seen.rows}
        return seen.row is None or is_over(seen.row.state) or is_elsewhere

    def _read_accounting(self, jobs: Sequence[Seen]) -> bool:
        """Let accounting tell of these jobs; return whether it told all that is needed of those the queue lacks."""
        if not jobs:
            return True
        names = [seen.record.ref for seen in jobs]
        since = min(seen.submitting.called_at for seen in jobs) - _ACCOUNTING_BEFORE
        try:
            found, complete = self._book.read_accounting(names=names, since=since)
        except LilongError as error:
            log.warning("accounting does not answer", code=error.code, detail=error.detail)
            return all(seen.row is not None for seen in jobs)
        for seen in jobs:
            seen.accounted = found.get(self._key(seen.record), ())
            seen.picked = pick_own(rows=seen.rows, accounted=seen.accounted, begun_as=seen.begun_as)
        return complete

    def _refresh_copies(self, jobs: Sequence[Seen]) -> None:
        """Read what wrappers have written, also of what seems to wait when this agent sees it for the first time."""
        by_user: dict[str, list[Seen]] = defaultdict(list)
        for seen in jobs:
            ref = seen.record.ref
            is_new = ref not in self._looked_at
            self._looked_at.add(ref)
            begun = seen.row is None or not is_waiting(seen.row.state) or seen.begun
            if ref not in self._over and (begun or is_new):
                by_user[seen.record.user].append(seen)
        for user, mine in by_user.items():
            try:
                behind = mirror.refresh(
                    user=self._users.of(user),
                    jobs={seen.folder: seen.record.spec.nodes for seen in mine},
                    log_bytes_max=self._log_bytes_max,
                )
            except LilongError as error:
                log.warning("wrappers' files cannot be read", user=user, code=error.code, detail=error.detail)
                behind = {seen.record.attempt_id for seen in mine}
            for seen in mine:
                seen.lags = seen.record.attempt_id in behind

    def _decide(self, seen: Seen, *, is_complete: bool) -> NativeState | None:
        ref = seen.record.ref
        self._stopping.end_surplus(seen, is_ended=ref in self._over)
        if ref in self._over:
            return self._over[ref].state
        self._stopping.forgive_wait(seen)
        decision = decide_state(
            native=seen.row,
            accounting=seen.accounting,
            wrapper=self.read_facts(seen.folder, seen.record),
            begun=seen.begun,
            memory_killed=is_memory_kill(mirror.read_slurms_words(folder=seen.folder)),
            settled=self._has_ended_for(seen, self._waits.settle_s),
            accounted=self._has_ended_for(seen, self._waits.forget_s),
            forgotten=self._is_forgotten(seen, is_complete=is_complete),
        )
        state = decision.state and replace(decision.state, allocated=self._allotting.find(seen))
        self._meter(seen, state)
        if decision.cancel_native and seen.row is not None:
            self._stopping.cancel(seen, [seen.row.job_id])
        if state is None or (state.state in TERMINAL_STATES and seen.lags):
            return None
        if state.state in TERMINAL_STATES:
            return self._close(seen, state)
        self._stopping.note_wait(seen, state)
        self._stopping.enforce(seen)
        if state.state is AttemptState.QUEUED and seen.row is not None:
            expected_start_at = believe_start(starts_at=seen.row.started_at, now=self._clock())
            return replace(state, expected_start_at=expected_start_at)
        return state

    def _has_ended_for(self, seen: Seen, seconds: float) -> bool:
        """Return whether Slurm has told the end so long ago, by our steady clock: the controller's may differ."""
        segments = seen.accounting.segments if seen.accounting else ()
        has_ended = is_over(seen.row.state) if seen.row else bool(segments) and segments[-1].ended_at is not None
        if not has_ended:
            self._ended_s.pop(seen.record.ref, None)
            return False
        return time.monotonic() - self._ended_s.setdefault(seen.record.ref, time.monotonic()) >= seconds

    def _is_forgotten(self, seen: Seen, *, is_complete: bool) -> bool:
        """Return whether whole looks have missed a job again and again, for as long as accounting may lag behind."""
        if seen.row is not None:
            self._missed_s.pop(seen.record.ref, None)
        if seen.row is not None or not is_complete or self._clock() < self._find_settled_at(seen):
            return False
        missed_s = self._missed_s.setdefault(seen.record.ref, [])
        missed_s.append(time.monotonic())
        del missed_s[1:-_MISSES_MIN]
        return len(missed_s) > _MISSES_MIN and missed_s[-1] - missed_s[0] >= self._waits.forget_s

    def _meter(self, seen: Seen, state: NativeState | None) -> None:
        """Keep what Slurm meters: accounting's figure once it knows the end, the queue's, which only grows, before."""
        ref = seen.record.ref
        metered_ms = self._metered_ms.get(ref, 0)
        if seen.row is not None:
            metered_ms = max(metered_ms, meter_queue(row=seen.row, called_at=seen.submitting.called_at))
        segments = seen.accounting.segments if seen.accounting else ()
        accounted_ms = meter_accounting(
            segments=segments,
            began_at=state.started_at if state else None,
            ended_at=state.ended_at if state and seen.row is None else None,
        )
        self._metered_ms[ref] = metered_ms if accounted_ms is None else accounted_ms

    def _forget_all_but(self, jobs: Sequence[Seen]) -> None:
        live = {seen.record.ref for seen in jobs}
        self._looked_at &= live
        self._allotting.forget_all_but(live)
        for memory in (self._over, self._metered_ms, self._ended_s, self._missed_s):
            for ref in memory.keys() - live:
                del memory[ref]

    def _close(self, seen: Seen, state: NativeState) -> NativeState:
        """Write down the end for good."""
        ref = seen.record.ref
        over = Over(state=state, metered_ms=self._metered_ms.get(ref, 0))
        write_json(seen.folder.path / OVER, over)
        self._over[ref] = over
        self._ended_s.pop(ref, None)
        self._missed_s.pop(ref, None)
        return state
