"""SHA-256 of files that grow: each process keeps the state of a few, so that it hashes every byte once."""

import hashlib
import os
from collections import OrderedDict
from threading import Lock

READ_BYTES = 1 << 20
STATES_MAX = 256


class DigestProgress:
    """Hash states by name. Holds at most `STATES_MAX`; one that was dropped begins again from the file.

    The caller sees to it that a name is used by one thread at a time, and that bytes once passed to `advance` never
    change: a state that knows other bytes than the file would vouch for a file that is wrong.
    """

    def __init__(self) -> None:
        self._states: OrderedDict[str, tuple[hashlib._Hash, int]] = OrderedDict()
        self._lock = Lock()

    def advance(self, *, name: str, descriptor: int, end: int, at_most_bytes: int) -> None:
        """Hash the file on towards `end`, but not more than `at_most_bytes`, and keep the state."""
        state, start = self.find(name=name) or (hashlib.sha256(), 0)
        stop = min(end, start + at_most_bytes)
        _hash_file(state, descriptor=descriptor, start=start, end=stop)
        self.keep(name=name, state=state, position=stop)

    def digest(self, *, name: str, descriptor: int, end: int) -> str:
        """Return the digest of the file up to `end`; what it hashes for that is not remembered."""
        state, start = self.find(name=name) or (hashlib.sha256(), 0)
        _hash_file(state, descriptor=descriptor, start=start, end=end)
        return state.hexdigest()

    def find(self, *, name: str) -> "tuple[hashlib._Hash, int] | None":
        """Return a copy of the state of `name` and how many bytes it knows, or None."""
        with self._lock:
            found = self._states.get(name)
            return (found[0].copy(), found[1]) if found else None

    def keep(self, *, name: str, state: "hashlib._Hash", position: int) -> None:
        """Keep a state that knows the first `position` bytes of `name`; the state is not changed any more."""
        with self._lock:
            self._states[name] = (state, position)
            self._states.move_to_end(name)
            while len(self._states) > STATES_MAX:
                self._states.popitem(last=False)

    def forget(self, *, name: str) -> None:
        """Drop the state of `name`, if there is one."""
        with self._lock:
            self._states.pop(name, None)


def _hash_file(state: "hashlib._Hash", *, descriptor: int, start: int, end: int) -> None:
    position = start
    while position < end:
        piece = os.pread(descriptor, min(READ_BYTES, end - position), position)
        if not piece:
            raise EOFError("The file is shorter than what was written to it.")
        state.update(piece)
        position += len(piece)
