"""Turn what Slurm's programs print into values. Pure; garbled or half texts never raise and nothing is made up.

An answer is complete when its header was there and every row could be read. What has no end is left out, since its
last field may be half; `commands.py` puts the fields in their order and has each end with the query's separator.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import TypeVar

from lilong.agent.engines.slurm.commands import ACCOUNTING_FIELDS, QUEUE_FIELDS

NODES_MAX = 65_536

Row = TypeVar("Row")

_NO_TIME = {"", "N/A", "NONE", "None", "Unknown", "(null)"}
_NO_NODES = {"", "(null)", "None assigned", "None"}
_DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?")
_STATE = re.compile(r"([A-Z_]+)\+?(?: by (\d+))?")
_HOSTS = re.compile(r"((?:[^,\[\]\s]|\[[0-9,-]+\])+)(?:,|$)")
_SUBMITTED = re.compile(r"(\d+)(?:;\S+)?")
_STARTS = re.compile(r"\bto start at (\S+) using\b")
_PROBLEM = re.compile(r"^(?:sbatch: )?(?:error|allocation failure): (.+)$", re.MULTILINE)
_SECONDS = re.compile(r"(\d+) sec\b.*")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One job as the controller knows it; of a job that waits, started_at is expected and nodes are none.

    elapsed_s: time since the start without suspensions.
    """

    job_id: int
    state: str
    uid: int
    partition: str
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: int
    nodes: tuple[str, ...]
    reason: str
    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """What squeue said."""

    rows: tuple[QueueRow, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """One time that a job was started, as accounting knows it; a requeued job has several.

    cancelled_by: the user number of who cancelled it. ended_at and started_at are None where nothing ended or started.
    """

    job_id: int
    state: str
    cancelled_by: int | None
    uid: int
    partition: str
    exit_code: int
    exit_signal: int
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: int
    suspended_s: int
    nodes: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class AccountedJob:
    """All segments of one job, first one first."""

    job_id: int
    uid: int
    name: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Accounting:
    """What sacct said."""

    jobs: tuple[AccountedJob, ...]
    complete: bool


def parse_queue(*, text: str, separator: str) -> Queue:
    r"""Return the jobs of a queue query.

    >>> header = "JOBID|STATE|UID|PARTITION|SUBMIT_TIME|START_TIME|END_TIME|TIME|NODELIST|REASON|NAME|"
    >>> row = "7|RUNNING|1000|main|100|160|N/A|0:40|n[1-2]|None|train|"
    >>> queue = parse_queue(text=f"{header}\n{row}\n", separator="|")
    >>> queue.rows[0].nodes, queue.rows[0].elapsed_s, queue.complete
    (('n1', 'n2'), 40, True)
    """
    table = _read_table(text, fields=QUEUE_FIELDS, separator=separator, header=("JOBID", "NAME"))
    rows, readable = _read_rows(table.rows, _parse_queue_row)
    return Queue(rows=rows, complete=table.complete and readable)


def _parse_queue_row(row: Mapping[str, str]) -> QueueRow:
    state, _ = _parse_state(row["state"])
    return QueueRow(
        job_id=int(row["job_id"]),
        state=state,
        uid=int(row["uid"]),
        partition=row["partition"],
        submitted_at=parse_time(text=row["submitted_at"]),
        started_at=parse_time(text=row["started_at"]),
        ended_at=parse_time(text=row["ended_at"]),
        elapsed_s=0 if row["elapsed"] == "INVALID" else _parse_duration_s(row["elapsed"]),
        nodes=expand_nodes(text=row["nodes"]),
        reason=row["reason"],
        name=row["name"],
    )


def parse_accounting(*, text: str, separator: str) -> Accounting:
    """Return the jobs of an accounting query, in the order of their numbers."""
    table = _read_table(text, fields=ACCOUNTING_FIELDS, separator=separator, header=("JobIDRaw", "JobName"))
    segments, readable = _read_rows(table.rows, _parse_segment)
    grouped: dict[tuple[int, int, str], list[Segment]] = {}
    for segment in segments:
        grouped.setdefault((segment.job_id, segment.uid, segment.name), []).append(segment)
    jobs = [
        AccountedJob(job_id=job_id, uid=uid, name=name, segments=tuple(sorted(found, key=_order)))
        for (job_id, uid, name), found in sorted(grouped.items())
    ]
    return Accounting(jobs=tuple(jobs), complete=table.complete and readable)


def _parse_segment(row: Mapping[str, str]) -> Segment:
    state, cancelled_by = _parse_state(row["state"])
    code, _, number = row["exit_code"].partition(":")
    return Segment(
        job_id=int(row["job_id"]),
        state=state,
        cancelled_by=cancelled_by,
        uid=int(row["uid"]),
        partition=row["partition"],
        exit_code=int(code),
        exit_signal=int(number),
        submitted_at=parse_time(text=row["submitted_at"]),
        started_at=parse_time(text=row["started_at"]),
        ended_at=parse_time(text=row["ended_at"]),
        elapsed_s=int(row["elapsed"]),
        suspended_s=_parse_duration_s(row["suspended"]),
        nodes=expand_nodes(text=row["nodes"]),
        name=row["name"],
    )


def _order(segment: Segment) -> tuple[float, float]:
    """Order by submission, which a requeue sets anew, then by start; what has not started comes last."""

    def seconds(moment: datetime | None) -> float:
        return float("inf") if moment is None else moment.timestamp()

    return seconds(segment.submitted_at), seconds(segment.started_at)


def parse_submitted(*, text: str) -> int | None:
    r"""Return the number of the job that sbatch made, or None if it does not say so in a whole line.

    >>> parse_submitted(text="123;cluster\n"), parse_submitted(text="12")
    (123, None)
    """
    match = _SUBMITTED.fullmatch(text[:-1].rpartition("\n")[2].strip()) if text.endswith("\n") else None
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class StartEstimate:
    """When a job would start; None with the scheduler's words where it does not say."""

    starts_at: datetime | None
    problem: str = ""


def parse_start_estimate(*, text: str) -> StartEstimate:
    r"""Return what `sbatch --test-only` printed, on both of its outputs.

    With others waiting, Slurm adds up their time limits: where these are long, the moment is years away.

    >>> parse_start_estimate(text="sbatch: Job 7 to start at 1772366400 using 2 processors on nodes n1\n").starts_at
    datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    for found in _STARTS.findall(text):
        try:
            starts_at = parse_time(text=str(found))
        except ValueError:
            continue
        if starts_at is not None:
            return StartEstimate(starts_at=starts_at)
    problems = [str(line) for line in _PROBLEM.findall(text)]
    return StartEstimate(starts_at=None, problem=problems[-1] if problems else "")


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What the cluster's configuration says; `values` by the names that Slurm gives them.

    accounting: whether a database keeps what the controller forgets after min_job_age_s. private: what users see of
    their own only, such as `jobs`. enforced: such as `associations`, `limits`, `qos`. Times are None where not said.
    """

    complete: bool
    version: str = ""
    cluster: str = ""
    accounting: bool = False
    private: frozenset[str] = frozenset()
    enforced: frozenset[str] = frozenset()
    message_timeout_s: int | None = None
    kill_wait_s: int | None = None
    slurmd_timeout_s: int | None = None
    min_job_age_s: int | None = None
    values: Mapping[str, str] = field(default_factory=dict[str, str])


def parse_config(*, text: str) -> ClusterConfig:
    r"""Return the configuration; complete if it goes from its first line to the controllers' states at its end.

    >>> parse_config(text="Configuration data as of 1\nKillWait                = 30 sec\n").kill_wait_s
    30
    """
    lines = whole_lines(text=text)
    values: dict[str, str] = {}
    for line in lines:
        key, found, value = line.partition("=")
        if found and key.strip() not in values:
            values[key.strip()] = "" if value.strip() == "(null)" else value.strip()

    def seconds(name: str) -> int | None:
        match = _SECONDS.fullmatch(values.get(name, ""))
        return int(match[1]) if match else None

    def words(name: str) -> frozenset[str]:
        return frozenset(word for word in values.get(name, "").lower().split(",") if word not in {"", "none"})

    return ClusterConfig(
        complete=bool(lines) and "SLURM_VERSION" in values and any(line.startswith("Slurmctld(") for line in lines),
        version=values.get("SLURM_VERSION", ""),
        cluster=values.get("ClusterName", ""),
        accounting=values.get("AccountingStorageType", "") == "accounting_storage/slurmdbd",
        private=words("PrivateData"),
        enforced=words("AccountingStorageEnforce"),
        message_timeout_s=seconds("MessageTimeout"),
        kill_wait_s=seconds("KillWait"),
        slurmd_timeout_s=seconds("SlurmdTimeout"),
        min_job_age_s=seconds("MinJobAge"),
        values=values,
    )


def expand_nodes(*, text: str) -> tuple[str, ...]:
    """Return the names in a node list; raises ValueError for what is none.

    >>> expand_nodes(text="n[1-3,7],rack[1-2]-[08-09]")
    ('n1', 'n2', 'n3', 'n7', 'rack1-08', 'rack1-09', 'rack2-08', 'rack2-09')
    """
    if text in _NO_NODES:
        return ()
    names: list[str] = []
    position = 0
    for match in _HOSTS.finditer(text):
        if match.start() != position:
            break
        position = match.end()
        parts = re.split(r"\[([^\]]*)\]", match[1])
        choices = [_expand_ranges(part) if number % 2 else (part,) for number, part in enumerate(parts)]
        size = 1
        for choice in choices:
            size *= len(choice)
        if len(names) + size > NODES_MAX:
            raise ValueError("These are more nodes than a cluster has.")
        names += ["".join(chosen) for chosen in product(*choices)]
    if position != len(text) or text.endswith(","):
        raise ValueError(f"{text[:80]!r} is no list of nodes.")
    return tuple(names)


def _expand_ranges(text: str) -> Sequence[str]:
    numbers: list[str] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) - int(first) not in range(NODES_MAX):
            raise ValueError(f"{text[:80]!r} is no range of nodes.")
        numbers += [str(number).zfill(len(first)) for number in range(int(first), int(last or first) + 1)]
    return numbers


def parse_time(*, text: str) -> datetime | None:
    """Return the moment of a time field, None where it says that there is none; raises ValueError otherwise.

    >>> parse_time(text="1772366400") == parse_time(text="2026-03-01T12:00:00"), parse_time(text="Unknown")
    (True, None)
    """
    if text in _NO_TIME:
        return None
    try:
        return datetime.fromtimestamp(int(text), tz=UTC) if text.isdecimal() else _parse_iso(text)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{text[:80]!r} is no moment.") from error


def _parse_iso(text: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text):
        raise ValueError(f"{text[:80]!r} is no moment.")
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _parse_duration_s(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no duration.")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _parse_state(text: str) -> tuple[str, int | None]:
    match = _STATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no state.")
    return match[1], int(match[2]) if match[2] else None


@dataclass(frozen=True, slots=True)
class _Table:
    rows: tuple[Mapping[str, str], ...]
    complete: bool


def whole_lines(*, text: str) -> list[str]:
    """Return the lines that have an end: the last field of one that has none may be half."""
    return text.split("\n")[:-1]


def _read_table(text: str, *, fields: Mapping[str, str], separator: str, header: tuple[str, str]) -> _Table:
    """Return the rows below the header, known by its first and last words; a greeting above it does not matter.

    Fields are counted, for the last one may begin or end with a line's end: a row begins with one, after the separator.
    """
    width = len(fields)
    *values, rest = text.split(separator)
    split = [values[start : start + width] for start in range(0, len(values), width)]
    if not split or (split[0][0].rpartition("\n")[2], split[0][-1]) != header:
        return _Table(rows=(), complete=False)
    whole = [row for row in split[1:] if len(row) == width and row[0].startswith("\n")]
    rows = tuple(dict(zip(fields, [row[0][1:], *row[1:]], strict=True)) for row in whole)
    return _Table(rows=rows, complete=rest == "\n" and len(whole) == len(split) - 1)


def _read_rows(
    rows: Iterable[Mapping[str, str]], parse: Callable[[Mapping[str, str]], Row]
) -> tuple[tuple[Row, ...], bool]:
    """Return the rows that could be read, and whether these were all."""
    read: list[Row] = []
    readable = True
    for row in rows:
        try:
            read.append(parse(row))
        except ValueError:
            readable = False
    return tuple(read), readable
