"""Logs of attempts: one append-only file per rank under `logs/` in the home folder, resumable by offset.

The file is the only truth about its length, so that a log costs the database nothing, and a log restored from an older
backup is simply sent again from where it ends.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from lilong.common.errors import Conflict, InputInvalid, LilongError, LimitReached, NotAllowed, NotFound
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.core.table import STATES
from lilong.foundation.runs.models import Attempt, Run
from lilong.foundation.runs.queries.runs import find_own_run
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import LogVisibility

LOG_BYTES_MAX = 1024**3
LOG_BYTES_PER_RANK_MAX = 72 * 1024 * 1024
LOG_SLICE_MAX = 1024 * 1024
CHARACTER_BYTES_MAX = 4
CONTINUES = 0x80
"""The two highest bits of each byte of a UTF-8 character but its first."""


class AttemptMissing(NotFound):
    """There is no such attempt in the agent's pool."""

    code = "runs.attempt_missing"
    title = "There is no such attempt here"
    next_step = "Look at the run again: an attempt belongs to one pool and one run."


class RankMissing(InputInvalid):
    """The attempt has fewer ranks."""

    code = "runs.rank_missing"
    title = "The attempt has no such rank"
    next_step = "Ranks are counted from 0."


class LogOffsetWrong(Conflict):
    """The bytes do not follow what is kept; `facts` says from where to send."""

    code = "runs.log_offset"
    title = "The log goes on elsewhere"
    next_step = "Send it from `expected_offset`."


class LogFull(LimitReached):
    """Logs are kept up to a limit for each rank, and for all ranks of an attempt together."""

    code = "runs.log_full"
    title = "The log of this attempt is full"
    status = 413
    next_step = "What was kept stays readable; write less, or write to a file that is an output."


class LogStorageFull(LilongError):
    """The hub's disk has no room for logs; nothing of the request was kept."""

    code = "runs.log_storage_full"
    title = "The hub has no room for logs at present"
    status = 503
    next_step = "Send it again later: the spool keeps it."
    retryable = True


class LogPrivate(NotAllowed):
    """Only who submitted the run may read its log."""

    code = "runs.log_private"
    title = "This log is for its submitter alone"
    next_step = "Ask whoever submitted the run; the spec says `log_visibility: submitter`."


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Some bytes of a log. complete: the attempt has ended and these bytes reach the end of what it wrote."""

    content: bytes
    offset: int
    size_bytes: int
    attempt_number: int
    complete: bool


@dataclass(frozen=True, slots=True)
class LogPart:
    """A part of a log as text, from byte `offset` to `end`, and where the parts around it begin; None at the ends."""

    run_name: str
    run_is_over: bool
    attempt_number: int
    attempts: tuple[int, ...]
    rank: int
    ranks: int
    text: str
    offset: int
    end: int
    size_bytes: int
    complete: bool
    earlier: int | None
    later: int | None


@dataclass(frozen=True, slots=True)
class LogStanding:
    """Where the logs of a run's newest attempt are. is_over: the run is; sizes: bytes kept by rank."""

    attempt_id: str
    attempt_number: int
    attempt_state: AttemptState
    run_state: RunState
    ranks: int
    is_over: bool
    sizes: Mapping[int, int]


def append_log(*, pool_id: str, attempt_id: str, rank: int, offset: int, content: bytes) -> int:
    """Add bytes to the log of one rank and return its size; bytes that are there already change nothing.

    Raises AttemptMissing, RankMissing, LogOffsetWrong (with the offset to go on from), LogFull, LogStorageFull.
    """
    nodes = Attempt.objects.filter(id=attempt_id, pool_id=pool_id).values_list("nodes", flat=True).first()
    if nodes is None:
        raise AttemptMissing
    if not 0 <= rank < nodes:
        raise RankMissing(facts={"ranks": nodes})
    path = _path(attempt_id, rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if offset + len(content) <= size:
            return size
        if offset != size:
            raise LogOffsetWrong(facts={"expected_offset": size})
        total = sum(measure_logs(attempt_id=attempt_id).values())
        room = min(LOG_BYTES_PER_RANK_MAX - size, LOG_BYTES_MAX - total)
        if room <= 0:
            raise LogFull(facts={"limit": LOG_BYTES_PER_RANK_MAX, "used": size})
        try:
            _write(file.fileno(), content[:room])
        except OSError as error:
            os.ftruncate(file.fileno(), size)
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise LogStorageFull(retry_after_s=30) from error
        return size + len(content[:room])


def read_log(*, actor: Actor, run_id: str, attempt_number: int | None, rank: int, offset: int, limit: int) -> LogSlice:
    """Return up to `limit` bytes of a log from `offset`; of the newest attempt when none is named.

    Ask again from the end of the slice until it is complete.
    Raises RunMissing, AttemptMissing, RankMissing, LogPrivate.
    """
    run = find_own_run(actor=actor, run_id=run_id)
    row = _find_attempt(actor, run, attempt_number=attempt_number, rank=rank)
    return _read_slice(row, rank=rank, offset=offset, limit=limit)


def read_log_part(
    *, actor: Actor, run_id: str, attempt_number: int | None, rank: int, offset: int | None, limit: int
) -> LogPart:
    """Return one part of a log for people to read, `limit` bytes long and the last one when no offset is given.

    No character is torn: a part ends with the last one that begins in it. Raises what `read_log` does.
    """
    run = find_own_run(actor=actor, run_id=run_id)
    row = _find_attempt(actor, run, attempt_number=attempt_number, rank=rank)
    size = measure_logs(attempt_id=row.id).get(rank, 0)
    last = max(0, size - 1) // limit * limit
    start = last if offset is None else min(offset, size)
    part = _read_slice(row, rank=rank, offset=start, limit=limit + CHARACTER_BYTES_MAX - 1)
    content, end = _keep_characters(part.content, limit=limit)
    return LogPart(
        run_name=run.name,
        run_is_over=run.finished_at is not None,
        attempt_number=row.number,
        attempts=tuple(each.number for each in run.attempts.all()),
        rank=rank,
        ranks=row.nodes,
        text=content.decode(errors="replace"),
        offset=part.offset,
        end=part.offset + end,
        size_bytes=part.size_bytes,
        complete=part.complete and part.offset + end >= part.size_bytes,
        earlier=max(0, part.offset - limit) if part.offset else None,
        later=part.offset + end if part.offset + end < part.size_bytes else None,
    )


def require_log_reader(*, actor: Actor, run_id: str) -> None:
    """Raise RunMissing or LogPrivate for who may not read the logs of this run."""
    _require_may_read(actor, find_own_run(actor=actor, run_id=run_id))


def read_standings(*, run_ids: Collection[str]) -> dict[str, LogStanding]:
    """Return how far the logs of these runs are, for who may read them already. One query, however many they are."""
    rows = Attempt.objects.filter(run__in=run_ids).select_related("run").order_by("number")
    newest = {row.run_id: row for row in rows.only("number", "nodes", "state", "run__state", "run__finished_at")}
    return {
        run_id: LogStanding(
            attempt_id=row.id,
            attempt_number=row.number,
            attempt_state=AttemptState(row.state),
            run_state=RunState(row.run.state),
            ranks=row.nodes,
            is_over=row.run.finished_at is not None,
            sizes=measure_logs(attempt_id=row.id),
        )
        for run_id, row in newest.items()
    }


def read_log_bytes(*, attempt_id: str, rank: int, offset: int, limit: int) -> bytes:
    """Return bytes of a log as it stands, for who may read it already; nothing where nothing is kept."""
    try:
        with _path(attempt_id, rank).open("rb") as file:
            file.seek(offset)
            return file.read(min(limit, LOG_SLICE_MAX))
    except FileNotFoundError:
        return b""


def are_logs_kept(*, attempt_id: str, log_bytes: Mapping[int, int]) -> bool:
    """Return whether the hub has each rank's log as far as the agent has it, or as far as it keeps logs at all."""
    sizes = measure_logs(attempt_id=attempt_id)
    return sum(sizes.values()) >= LOG_BYTES_MAX or all(sizes.get(rank, 0) >= size for rank, size in log_bytes.items())


def measure_logs(*, attempt_id: str) -> dict[int, int]:
    """Return the bytes kept of each rank's log."""
    try:
        return {int(entry.name): entry.stat().st_size for entry in os.scandir(_folder(attempt_id))}
    except FileNotFoundError:
        return {}


def delete_logs(*, attempt_id: str) -> None:
    """Delete the logs of one attempt; when there are none, nothing happens."""
    shutil.rmtree(_folder(attempt_id), ignore_errors=True)


def _find_attempt(actor: Actor, run: Run, *, attempt_number: int | None, rank: int) -> Attempt:
    _require_may_read(actor, run)
    rows = [row for row in run.attempts.all() if attempt_number in {None, row.number}]
    if not rows:
        raise AttemptMissing
    row = rows[-1]
    if not 0 <= rank < row.nodes:
        raise RankMissing(facts={"ranks": row.nodes})
    return row


def _read_slice(row: Attempt, *, rank: int, offset: int, limit: int) -> LogSlice:
    is_whole = STATES[AttemptState(row.state)].has_ended and are_logs_kept(
        attempt_id=row.id, log_bytes={rank: row.meter.log_bytes.get(str(rank), 0)}
    )
    content, size = b"", 0
    try:
        with _path(row.id, rank).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(min(offset, size))
            content = file.read(min(limit, LOG_SLICE_MAX))
    except FileNotFoundError:
        pass
    start = min(offset, size)
    at_end = start + len(content) >= size
    return LogSlice(
        content=content,
        offset=start,
        size_bytes=size,
        attempt_number=row.number,
        complete=at_end and (is_whole or row.settled_at is not None),
    )


def _keep_characters(content: bytes, *, limit: int) -> tuple[bytes, int]:
    """Return the bytes of the characters that begin within `limit`, and where the next one begins."""
    begin, end = 0, min(limit, len(content))
    while begin < min(end, CHARACTER_BYTES_MAX - 1) and content[begin] & 0xC0 == CONTINUES:
        begin += 1
    while end < len(content) and content[end] & 0xC0 == CONTINUES:
        end += 1
    return content[begin:end], end


def _require_may_read(actor: Actor, run: Run) -> None:
    if run.organisation_id != actor.organisation_id:
        raise LogPrivate(detail=say("Logs are read by the organisation that pays for the run."))
    if run.spec["log_visibility"] == LogVisibility.SUBMITTER and run.person_id != actor.person_id:
        raise LogPrivate


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _folder(attempt_id: str) -> Path:
    home: Path = settings.LILONG.home
    return home / "logs" / attempt_id


def _path(attempt_id: str, rank: int) -> Path:
    return _folder(attempt_id) / str(rank)
