"""Logs of attempts: one append-only file per rank under `logs/` in the home folder, resumable by offset.

The file is the only truth about its length, so that a log costs the database nothing, and a log restored from an older
backup is simply sent again from where it ends.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from lilong.common.errors import Conflict, InputInvalid, LilongError, LimitReached, NotAllowed, NotFound
from lilong.common.permissions import Actor
from lilong.foundation.runs.core.table import STATES
from lilong.foundation.runs.models import Attempt, Run
from lilong.foundation.runs.queries.runs import find_own_run
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import LogVisibility

LOG_BYTES_MAX = 1024**3
LOG_BYTES_PER_RANK_MAX = 72 * 1024 * 1024
LOG_SLICE_MAX = 1024 * 1024


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
    _require_may_read(actor, run)
    rows = [row for row in run.attempts.all() if attempt_number in {None, row.number}]
    if not rows:
        raise AttemptMissing
    row = rows[-1]
    if not 0 <= rank < row.nodes:
        raise RankMissing(facts={"ranks": row.nodes})
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


def _require_may_read(actor: Actor, run: Run) -> None:
    if run.organisation_id != actor.organisation_id:
        raise LogPrivate(detail="Logs are read by the organisation that pays for the run.")
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
