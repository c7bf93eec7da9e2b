"""Parts in a bucket. What cannot grow there is kept as segments, written once, and joined into the object at the end.

A promise ends where a segment ends. A segment's name says which bytes of the part it holds and which opening of the
part wrote it, so none is ever written over: bytes that were hashed are the bytes that are placed.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lilong.common.errors import LilongError
from lilong.foundation.objects.hashing import DigestProgress
from lilong.foundation.objects.s3_bucket import Bucket
from lilong.foundation.objects.storage import HASH_AHEAD_BYTES, BytesMissing

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

SEGMENT_BYTES = 16 << 20
PIECE_BYTES_MIN = 5 << 20  # the store refuses smaller pieces of an object, but for the last
PIECES_MAX = 9_000  # it takes 10 000
JOINING_THREADS = 4

_SEGMENT = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-[0-9a-f]{16}")
_progress = DigestProgress()


@dataclass(frozen=True, slots=True)
class Segment:
    """The bytes `[start, end)` of a part, under `name` in the bucket."""

    name: str
    start: int
    end: int


class S3Part:
    """One open part. `folder` is what the names of its segments begin with; `objects` what those of objects do."""

    def __init__(self, *, bucket: Bucket, folder: str, objects: str) -> None:
        self._bucket, self._folder, self._objects = bucket, folder, objects
        self._token = secrets.token_hex(8)
        names = (name for name, _ in bucket.list_names(beginning=folder))
        self._found = [segment for segment in map(_parse_segment, names) if segment]
        self._chain: list[Segment] = []
        self._buffer = bytearray()
        self._state, self._hashed = hashlib.sha256(), 0
        self.end = max((segment.end for segment in self._found), default=0)

    def cut(self, *, size_bytes: int) -> bool:
        """Keep the segments that lead up to `size_bytes`, and delete the others: they were never promised."""
        chain = _find_chain(self._found, end=size_bytes)
        if chain is None:
            return False
        kept = set(chain)
        self._bucket.delete(names=[segment.name for segment in self._found if segment not in kept])
        self._found = self._chain = list(chain)
        self._buffer.clear()
        self.end = size_bytes
        self._resume_hash()
        return True

    def write(self, chunk: bytes) -> None:
        """Gather the chunk, and write segments as they are full."""
        self._buffer += chunk
        self.end += len(chunk)
        while len(self._buffer) >= SEGMENT_BYTES:
            self._write_segment(SEGMENT_BYTES)

    def sync(self) -> None:
        """Write what was gathered as a shorter segment."""
        if self._buffer:
            self._write_segment(len(self._buffer))

    def _write_segment(self, size_bytes: int) -> None:
        start = self._chain[-1].end if self._chain else 0
        content = bytes(self._buffer[:size_bytes])
        name = f"{self._folder}{start:016x}-{start + size_bytes:016x}-{self._token}"
        try:
            self._bucket.put(name=name, content=content)
        except LilongError:
            self._buffer.clear()
            self.end = start
            raise
        del self._buffer[:size_bytes]
        if self._hashed == start:
            self._state.update(content)
            self._hashed += size_bytes
        self._chain.append(Segment(name=name, start=start, end=start + size_bytes))

    def hash_ahead(self) -> None:
        """Keep the hash of what came in, and hash some of what this process has not seen."""
        self._hash_to(end=self.end, at_most_bytes=HASH_AHEAD_BYTES)
        known = [segment.name for segment in self._chain if segment.end <= self._hashed]
        _progress.keep(name=_sum_names(known)[-1], state=self._state.copy(), position=self._hashed)

    def digest(self) -> str:
        """Hash what is left to hash, from the store itself. Linear in the bytes this process has not yet seen."""
        self._hash_to(end=self.end, at_most_bytes=self.end)
        return self._state.hexdigest()

    def _hash_to(self, *, end: int, at_most_bytes: int) -> None:
        """Hash on by whole segments."""
        stop = min(end, self._hashed + at_most_bytes)
        for segment in self._chain:
            if self._hashed <= segment.start and segment.end <= stop:
                for piece in self._bucket.read(name=segment.name, start=0, end=segment.end - segment.start):
                    self._state.update(piece)
                self._hashed = segment.end

    def _resume_hash(self) -> None:
        """Take up the hash of the longest run of segments that this process knows."""
        self._state, self._hashed = hashlib.sha256(), 0
        for name in reversed(_sum_names([segment.name for segment in self._chain])):
            found = _progress.find(name=name)
            if found:
                self._state, self._hashed = found
                return

    def place(self, *, key: str) -> bool:
        """Join the segments inside the store. The object gets its name in the last step, whole."""
        name = f"{self._objects}{key}"
        try:
            if not self._chain:
                self._bucket.put(name=name, content=b"")
            elif len(self._chain) == 1:
                self._bucket.copy(source=self._chain[0].name, name=name)
            else:
                self._join(name)
        except BytesMissing:
            return False
        return True

    def _join(self, name: str) -> None:
        join = self._bucket.begin_join(name=name)

        def add(numbered: tuple[int, Sequence[Segment]]) -> "CompletedPartTypeDef":
            number, segments = numbered
            if len(segments) == 1:
                return self._bucket.join_copy(name=name, join=join, number=number, source=segments[0].name)
            content = b"".join(
                self._bucket.read_all(name=segment.name, size_bytes=segment.end - segment.start) for segment in segments
            )
            return self._bucket.join_bytes(name=name, join=join, number=number, content=content)

        try:
            pieces_of = list(enumerate(group_segments(segments=self._chain), start=1))
            with ThreadPoolExecutor(min(JOINING_THREADS, len(pieces_of))) as threads:
                pieces = list(threads.map(add, pieces_of))
            self._bucket.end_join(name=name, join=join, pieces=pieces)
        except BaseException:
            with suppress(LilongError):
                self._bucket.drop_join(name=name, join=join)
            raise


def group_segments(*, segments: Sequence[Segment]) -> list[list[Segment]]:
    """Return the segments in order, small ones together, so that each group is large enough to be a piece.

    A group has one segment, or several that have less than two segments' bytes together.
    """
    size_bytes = sum(segment.end - segment.start for segment in segments)
    least_bytes = max(PIECE_BYTES_MIN, -(-size_bytes // PIECES_MAX))
    groups: list[list[Segment]] = []
    room = 0
    for segment in segments:
        if room <= 0:
            groups.append([])
            room = least_bytes
        groups[-1].append(segment)
        room -= segment.end - segment.start
    return groups


def _find_chain(segments: Sequence[Segment], *, end: int) -> tuple[Segment, ...] | None:
    """Return segments that follow on each other from 0 to `end`, or None. Linear in the segments."""
    ending_at: dict[int, list[Segment]] = {}
    for segment in segments:
        ending_at.setdefault(segment.end, []).append(segment)
    after: dict[int, Segment | None] = {end: None}  # where a way to the end begins: its first segment
    todo = [end]
    while todo:
        for segment in ending_at.get(todo.pop(), []):
            if segment.start not in after:
                after[segment.start] = segment
                todo.append(segment.start)
    return tuple(_walk(after)) if 0 in after else None


def _walk(after: dict[int, Segment | None]) -> Iterator[Segment]:
    segment = after[0]
    while segment is not None:
        yield segment
        segment = after[segment.end]


def _sum_names(names: Sequence[str]) -> list[str]:
    """Return a name for each run of segments from the first on: for none, for one, and so on to all."""
    digest = hashlib.sha256()
    sums = [digest.hexdigest()]
    for name in names:
        digest.update(name.encode() + b"\n")
        sums.append(digest.hexdigest())
    return sums


def _parse_segment(name: str) -> Segment | None:
    match = _SEGMENT.fullmatch(name.rpartition("/")[2])
    return Segment(name=name, start=int(match[1], 16), end=int(match[2], 16)) if match else None
