"""The fair gate in front of SQLite's one writer: first come, first served, across threads and processes.

SQLite lets waiting writers poll, so a busy one starves the rest. Here each writer draws a ticket from a small file,
locks the byte of its ticket, and waits until nobody before it holds a byte any more: a queue lock (after Craig, and
Landin and Hagersten) made of open-file-description locks. The kernel frees the bytes of a process that dies, whether
it was waiting or writing, so no crash can close the gate. A wait ends as soon as the writers before it have ended,
and a writing transaction waits for nothing but the disk.
"""

import fcntl
import os
import struct
import sys
from pathlib import Path

_FIRST_TICKET = 8
_COUNTER = struct.Struct("<q")
_FLOCK = struct.Struct("hhqqi4x")


class FairGate:
    """The gate that the file at `path` stands for. One object may be shared; every passage has a ticket of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def enter(self) -> int:
        """Wait for our turn and return the passage, which `leave` ends. Costs a few system calls when nobody waits."""
        if sys.platform != "linux":
            raise OSError("SQLite behind the fair gate needs Linux; use PostgreSQL here.")
        passage = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(passage, fcntl.F_WRLCK, start=0, length=_FIRST_TICKET)
            drawn = os.pread(passage, _FIRST_TICKET, 0)
            ticket = _COUNTER.unpack(drawn)[0] + 1 if len(drawn) == _FIRST_TICKET else _FIRST_TICKET
            os.pwrite(passage, _COUNTER.pack(ticket), 0)
            _lock(passage, fcntl.F_WRLCK, start=ticket, length=1)
            _lock(passage, fcntl.F_UNLCK, start=0, length=_FIRST_TICKET)
            if ticket > _FIRST_TICKET:
                _lock(passage, fcntl.F_RDLCK, start=_FIRST_TICKET, length=ticket - _FIRST_TICKET)
        except BaseException:
            os.close(passage)
            raise
        return passage

    def leave(self, passage: int) -> None:
        """End the passage and let the next one in."""
        os.close(passage)


def _lock(passage: int, kind: int, *, start: int, length: int) -> None:
    fcntl.fcntl(passage, fcntl.F_OFD_SETLKW, _FLOCK.pack(kind, os.SEEK_SET, start, length, 0))
