"""Copies of what the wrappers write, in the agent's spool: logs and reports grow, the small files are replaced.

Everything else reads the copies, so a log, a meter or an end is still there when the job's own folder is gone. The
files belong to the member's user, who may write what it likes: what no wrapper would write counts as not written.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated

from pydantic import AfterValidator, Field

from lilong.agent.engines.rank.parsing import RankFacts, parse_reports
from lilong.agent.engines.slurm.identity import JobUser, Wanted
from lilong.agent.spool import AttemptFolder, read_model, write_bytes
from lilong.common.time import MomentInvalid, parse_moment
from lilong.protocol.messages import SignedReport
from lilong.protocol.spec import Frozen

REPLACED = ("shim.json", "running.json", "usage.json", "exit.json")
PART_BYTES_MAX = 1024 * 1024
_SMALL_BYTES_MAX = 64 * 1024
_REPORTS_BYTES_MAX = 64 * 1024 * 1024  # two weeks of heartbeats
_LOG_MARK_BYTES = 1024  # what the wrapper says where it cuts a log
_FIRST_YEAR, _LAST_YEAR = 2000, 2200


def _check_moment(text: str) -> str:
    try:
        year = parse_moment(text).year if text else _FIRST_YEAR
    except (MomentInvalid, OverflowError) as error:
        raise ValueError(str(error)) from error
    if not _FIRST_YEAR <= year < _LAST_YEAR:
        raise ValueError("No wrapper runs then.")
    return text


_Milliseconds = Annotated[int, Field(ge=0, le=10**12)]
_Moment = Annotated[str, Field(max_length=40), AfterValidator(_check_moment)]


class _Shim(Frozen):
    """shim.json. native_id: the native job in which it began."""

    native_id: Annotated[str, Field(max_length=20)] = ""


class _Told(Frozen):
    """usage.json and exit.json, as far as they are used."""

    cause: Annotated[str, Field(max_length=40)] = ""
    detail: Annotated[str, Field(max_length=1000)] = ""
    exit_code: Annotated[int, Field(ge=-255, le=255)] | None = None
    elapsed_ms: _Milliseconds = 0
    checkpoint_ms: _Milliseconds = 0
    authorised_ms: _Milliseconds = 0
    started_at: _Moment = ""
    ended_at: _Moment = ""


def refresh(*, user: JobUser, jobs: Mapping[AttemptFolder, int], log_bytes_max: int) -> set[str]:
    """Bring the copies of these attempts up to date in one call; return the ids of those with more still to come.

    jobs: the number of ranks of each. log_bytes_max: no copy grows beyond that, whatever lies there.
    """
    bounds = {"log": log_bytes_max + _LOG_MARK_BYTES, "reports.jsonl": _REPORTS_BYTES_MAX}
    wanted = [part for folder, ranks in jobs.items() for part in _list_parts(folder, ranks=ranks, bounds=bounds)]
    folders = {folder.attempt_id: folder for folder in jobs}
    behind: set[str] = set()
    for one, part in zip(wanted, user.get(wanted=wanted) if wanted else (), strict=True):
        if part is not None:
            _keep(folders[one.attempt_id], wanted=one, content=part.content)
            bound = bounds.get(one.path.rpartition("/")[2], 0)
            if one.offset + len(part.content) < min(part.size_bytes, bound):
                behind.add(one.attempt_id)
    return behind


def read_rank(*, folder: AttemptFolder, rank: int, alive: bool) -> RankFacts:
    """Return what the copies say of a rank; `alive`: the cluster still has the job."""
    place = folder.rank(rank)
    usage, end = read_model(place / "usage.json", _Told), read_model(place / "exit.json", _Told)
    return RankFacts(
        has_shim=has_begun(folder=folder, rank=rank),
        alive=alive,
        same_boot=True,
        running=(place / "running.json").exists(),
        usage=usage.model_dump() if usage else None,
        end=end.model_dump() if end else None,
        log_bytes=_size(folder, f"ranks/{rank}/log"),
    )


def has_begun(*, folder: AttemptFolder, rank: int) -> bool:
    """Return whether the wrapper of a rank has begun, as far as the copies say."""
    return (folder.rank(rank) / "shim.json").exists()


def find_native_id(*, folder: AttemptFolder) -> int | None:
    """Return the native job in which the wrapper of the first rank says that it began."""
    shim = read_model(folder.rank(0) / "shim.json", _Shim)
    return int(shim.native_id) if shim is not None and shim.native_id.isdecimal() else None


def read_log(*, folder: AttemptFolder, rank: int, offset: int, limit: int) -> bytes:
    """Return at most `limit` bytes of a rank's log from `offset`."""
    with suppress(OSError), (folder.rank(rank) / "log").open("rb") as file:
        file.seek(offset)
        return file.read(limit)
    return b""


def read_reports(*, folder: AttemptFolder, ranks: int) -> list[SignedReport]:
    """Return the reports of all ranks, in order within a rank."""
    found: list[SignedReport] = []
    for rank in range(ranks):
        with suppress(OSError):
            reports = parse_reports((folder.rank(rank) / "reports.jsonl").read_bytes())
            found += [report for report in reports if report.rank == rank]
    return found


def _list_parts(folder: AttemptFolder, *, ranks: int, bounds: Mapping[str, int]) -> Iterable[Wanted]:
    for rank in range(ranks):
        for name in REPLACED:
            yield Wanted(folder.attempt_id, f"ranks/{rank}/{name}", limit=_SMALL_BYTES_MAX)
        for name, bound in bounds.items():
            path = f"ranks/{rank}/{name}"
            offset = _size(folder, path)
            yield Wanted(folder.attempt_id, path, limit=max(0, min(PART_BYTES_MAX, bound - offset)), offset=offset)


def _keep(folder: AttemptFolder, *, wanted: Wanted, content: bytes) -> None:
    path = folder.path / wanted.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name in REPLACED:
        write_bytes(path, content, durable=path.name == "exit.json")
    elif content:
        with path.open("ab") as file:
            file.write(content)


def _size(folder: AttemptFolder, path: str) -> int:
    try:
        return (folder.path / path).stat().st_size
    except OSError:
        return 0
