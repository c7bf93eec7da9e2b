"""Speak once with a program through its pipes, in bounded time. What it answers is not trusted, and never waited for.

The program may run as another user: then it can neither be killed nor be made to answer, only be left alone.
"""

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, cast

_CHUNK_BYTES = 256 * 1024
_ERRORS_BYTES_MAX = 64 * 1024
_ERRORS_CHARACTERS = 1000
_END_WAIT_S, _LEFT_WAIT_S = 5.0, 0.2
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_LEFT_ALONE: list["subprocess.Popen[bytes]"] = []
_LOCK = threading.Lock()

Pipes = tuple[IO[bytes], IO[bytes], IO[bytes]]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came back, errors shortened. exit_code: None when the program was left alone before it had ended."""

    output: bytes
    errors: str
    exit_code: int | None


def exchange(*, command: Sequence[str], sent: Iterator[bytes], output_bytes_max: int, deadline_s: float) -> Exchanged:
    """Start `command`, send and receive at the same time until it has said all, or until the monotonic deadline.

    It gets no terminal and an environment of our own. Raises OSError when it cannot be started, and what `sent` raises:
    then its input has ended early.
    """
    _reap()
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    pipes = cast("Pipes", (process.stdin, process.stdout, process.stderr))
    output, errors = bytearray(), bytearray()
    said_all = True
    try:
        said_all = _pump(pipes, sent, (output, errors), output_bytes_max, deadline_s)
    finally:
        for pipe in pipes:
            pipe.close()
        exit_code = _wait(process, _END_WAIT_S if said_all else _LEFT_WAIT_S)
    text = errors.decode("utf-8", "replace").strip()[:_ERRORS_CHARACTERS]
    return Exchanged(output=bytes(output), errors=text, exit_code=exit_code if said_all else None)


def _pump(
    pipes: Pipes, sent: Iterator[bytes], taken: tuple[bytearray, bytearray], output_bytes_max: int, deadline_s: float
) -> bool:
    """Move bytes both ways; returns whether the program closed what it writes to, in time and within the limits."""
    given, *readable = pipes
    waiting = b""
    with selectors.DefaultSelector() as selector:
        selector.register(given, selectors.EVENT_WRITE)
        for pipe, buffer in zip(readable, taken, strict=True):
            selector.register(pipe, selectors.EVENT_READ, buffer)
        for pipe in pipes:
            os.set_blocking(pipe.fileno(), False)
        while set(selector.get_map()) - ({given.fileno()} if not given.closed else set()):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or len(taken[0]) > output_bytes_max or len(taken[1]) > _ERRORS_BYTES_MAX:
                return False
            for key, _ in selector.select(left_s):
                if key.data is None:
                    waiting = waiting or next(sent, b"")
                    with contextlib.suppress(BrokenPipeError):  # it has its reasons, and says them
                        if waiting:
                            waiting = waiting[os.write(key.fd, waiting[:_CHUNK_BYTES]) :]
                            continue
                    selector.unregister(given)
                    given.close()
                elif chunk := os.read(key.fd, _CHUNK_BYTES):
                    key.data.extend(chunk)
                else:
                    selector.unregister(key.fd)
    return True


def _wait(process: "subprocess.Popen[bytes]", wait_s: float) -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(wait_s)
    with contextlib.suppress(PermissionError, subprocess.TimeoutExpired):
        process.kill()
        process.wait(_LEFT_WAIT_S)
    with _LOCK:
        _LEFT_ALONE.append(process)
    return None


def _reap() -> None:
    with _LOCK:
        _LEFT_ALONE[:] = [process for process in _LEFT_ALONE if process.poll() is None]
