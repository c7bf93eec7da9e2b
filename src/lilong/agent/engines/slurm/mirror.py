"""Copies of what the wrappers write, in the agent's spool: logs and reports grow, the small files are replaced.

Everything else reads the copies, so a log, a meter or an end is still there when the job's own folder is gone.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from lilong.agent.engines.rank.parsing import RankFacts, parse_reports
from lilong.agent.engines.slurm.identity import JobUser, Wanted
from lilong.agent.spool import AttemptFolder, read_json, write_bytes
from lilong.protocol.messages import SignedReport

GROWING = ("log", "reports.jsonl")
REPLACED = ("shim.json", "running.json", "usage.json", "exit.json")
PART_BYTES_MAX = 1024 * 1024
_SMALL_BYTES_MAX = 64 * 1024


def refresh(*, user: JobUser, jobs: Mapping[AttemptFolder, int]) -> set[str]:
    """Bring the copies of these attempts up to date in one call; return the ids of those with more still to come.

    jobs: the number of ranks of each.
    """
    wanted = [part for folder, ranks in jobs.items() for part in _list_parts(folder, ranks=ranks)]
    folders = {folder.attempt_id: folder for folder in jobs}
    behind: set[str] = set()
    for one, part in zip(wanted, user.get(wanted=wanted) if wanted else (), strict=True):
        if part is not None:
            _keep(folders[one.attempt_id], wanted=one, content=part.content)
            if one.path.endswith(GROWING) and one.offset + len(part.content) < part.size_bytes:
                behind.add(one.attempt_id)
    return behind


def read_rank(*, folder: AttemptFolder, rank: int, alive: bool) -> RankFacts:
    """Return what the copies say of a rank; `alive`: the cluster still has the job."""
    place = folder.rank(rank)
    shim = read_json(place / "shim.json")
    return RankFacts(
        has_shim=shim is not None,
        alive=alive,
        same_boot=True,
        running=(place / "running.json").exists(),
        usage=read_json(place / "usage.json"),
        end=read_json(place / "exit.json"),
        log_bytes=_size(folder, f"ranks/{rank}/log"),
    )


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
            found += parse_reports((folder.rank(rank) / "reports.jsonl").read_bytes())
    return found


def _list_parts(folder: AttemptFolder, *, ranks: int) -> Iterable[Wanted]:
    for rank in range(ranks):
        for name in REPLACED:
            yield Wanted(folder.attempt_id, f"ranks/{rank}/{name}", limit=_SMALL_BYTES_MAX)
        for name in GROWING:
            path = f"ranks/{rank}/{name}"
            yield Wanted(folder.attempt_id, path, limit=PART_BYTES_MAX, offset=_size(folder, path))


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
