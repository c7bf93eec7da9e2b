"""Many threads, or threads in many processes, that do the same thing at the same moment."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from typing import TypeVar

from django.db import connection, connections

from lilong.common.errors import LilongError

T = TypeVar("T")
A = TypeVar("A")


def call_at_once(act: Callable[[A], T], arguments: Sequence[A]) -> list[T | LilongError]:
    """Call `act` with each argument in a thread of its own; return results and refusals."""

    def call(argument: A) -> T | LilongError:
        try:
            return act(argument)
        except LilongError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(arguments)) as pool:
        return list(pool.map(call, arguments))


def run_crowd(act: Callable[[int], T], *, processes: int = 8, threads: int = 25) -> list[T]:
    """Call `act(number)` once in each of `processes` times `threads` threads, all at once; return what they gave.

    What a call raises is raised here. Each thread has a database connection of its own.
    """
    context = multiprocessing.get_context("fork")
    start = context.Barrier(processes * threads)
    answers: SimpleQueue[list[T] | BaseException] = context.SimpleQueue()
    connections.close_all()  # a connection must not be shared with a forked process
    crowd = [
        context.Process(target=_run, args=(act, range(first, first + threads), start, answers))
        for first in range(0, processes * threads, threads)
    ]
    for process in crowd:
        process.start()
    found = [answers.get() for _ in crowd]
    for process in crowd:
        process.join()
    results: list[T] = []
    for answer in found:
        if isinstance(answer, BaseException):
            raise answer
        results += answer
    return results


def _run(
    act: Callable[[int], T], numbers: range, start: Barrier, answers: "SimpleQueue[list[T] | BaseException]"
) -> None:
    def act_alone(number: int) -> T:
        connection.ensure_connection()
        start.wait(timeout=120)
        try:
            return act(number)
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(max_workers=len(numbers)) as pool:
            answers.put(list(pool.map(act_alone, numbers)))
    except BaseException as error:  # noqa: BLE001 - the parent raises it
        answers.put(error)
