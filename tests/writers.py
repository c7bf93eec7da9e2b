"""Processes that write to one SQLite file as fast as they may, through the fair gate or past it."""

import multiprocessing
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from lilong.common.django.gate import FairGate


@dataclass(frozen=True, slots=True)
class Writer:
    """What one process got: commits, and its longest wait from wanting to write to having written, in seconds."""

    commits: int
    worst_wait_s: float


@dataclass(frozen=True, slots=True)
class _Meeting:
    start: Barrier
    answers: "SimpleQueue[tuple[int, float]]"


def run_writers(folder: Path, *, count: int, seconds: float, gated: bool) -> Sequence[Writer]:
    """Let `count` processes write for `seconds` and return what each got. The file is made in `folder`."""
    database = folder / f"writers-{'gated' if gated else 'plain'}.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE entry (writer INTEGER, number INTEGER)")
    context = multiprocessing.get_context("fork")
    gate = FairGate(database.with_suffix(".gate")) if gated else None
    meet = _Meeting(start=context.Barrier(count), answers=context.SimpleQueue())
    processes = [
        context.Process(target=_write, args=(database, number, seconds, gate, meet)) for number in range(count)
    ]
    for process in processes:
        process.start()
    found = [meet.answers.get() for _ in processes]
    for process in processes:
        process.join()
    return [Writer(commits=commits, worst_wait_s=worst_s) for commits, worst_s in found]


def _write(database: Path, number: int, seconds: float, gate: FairGate | None, meet: _Meeting) -> None:
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    commits, worst_s = 0, 0.0
    meet.start.wait()
    end_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < end_s:
        passage = gate.enter() if gate else None
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO entry VALUES (?, ?)", (number, commits))
        connection.execute("COMMIT")
        if gate and passage is not None:
            gate.leave(passage)
        commits += 1
        worst_s = max(worst_s, time.monotonic() - began_s)
    meet.answers.put((commits, worst_s))
    os._exit(0)
