"""What the queue and accounting said last. The queue is read at most once in a while, whoever asks."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import TypeVar

from lilong.agent.engines.slurm.client import Cluster
from lilong.agent.engines.slurm.commands import build_accounting_query, build_queue_query
from lilong.agent.engines.slurm.parsing import AccountedJob, QueueRow, parse_accounting, parse_queue

NAMES_PER_QUERY_MAX = 200

Named = TypeVar("Named", bound=QueueRow | AccountedJob)
Key = tuple[int, str]  # a user's number and a job's name: anybody may give a job the name of another's


@dataclass(frozen=True, slots=True)
class Reading:
    """The queue at one moment of the monotonic clock: jobs by user and name, several where a name stands twice."""

    rows: Mapping[Key, tuple[QueueRow, ...]]
    complete: bool
    at_s: float


class Book:
    """Reads both; raises EngineBusy when a program fails."""

    def __init__(self, *, cluster: Cluster, users: Sequence[str], look_every_s: float) -> None:
        self._cluster = cluster
        self._users = tuple(users)
        self._look_every_s = look_every_s
        self._reading: Reading | None = None

    def read_queue(self, *, now: bool = False) -> Reading:
        """Return the queue as it was at most `look_every_s` ago, or as it is `now`."""
        fresh_s = time.monotonic() - self._look_every_s
        if self._reading is None or now or self._reading.at_s < fresh_s:
            at_s, separator = time.monotonic(), token_hex(8)
            said = self._cluster.ask(build_queue_query(separator=separator, users=self._users))
            queue = parse_queue(text=said.output, separator=separator)
            complete = queue.complete and "error:" not in said.errors  # an unknown user: exit code 0 and no jobs
            self._reading = Reading(rows=_by_name(queue.rows), complete=complete, at_s=at_s)
        return self._reading

    def read_accounting(
        self, *, names: Sequence[str], since: datetime
    ) -> tuple[Mapping[Key, tuple[AccountedJob, ...]], bool]:
        """Return accounted jobs, oldest first, and whether that is all that accounting knows of them."""
        found: list[AccountedJob] = []
        complete = True
        for start in range(0, len(names), NAMES_PER_QUERY_MAX):
            some = names[start : start + NAMES_PER_QUERY_MAX]
            separator = token_hex(8)
            command = build_accounting_query(separator=separator, since=since, names=some, users=self._users)
            accounting = parse_accounting(text=self._cluster.ask(command).output, separator=separator)
            found += accounting.jobs
            complete = complete and accounting.complete
        return _by_name(found), complete


def _by_name(jobs: Iterable[Named]) -> dict[Key, tuple[Named, ...]]:
    named: dict[Key, list[Named]] = {}
    for job in jobs:
        named.setdefault((job.uid, job.name), []).append(job)
    return {key: tuple(sorted(found, key=lambda one: one.job_id)) for key, found in named.items()}
