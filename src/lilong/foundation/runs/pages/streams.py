"""The log of a run as a stream of events: what is new of it, and that the run went on, until it is over.

Events: `attempt` (a new try begins, the log anew), `skip` (bytes left out), `log` (text), `state`, `end`, `gone` (who
listens may not any more). A browser that comes again says by `Last-Event-ID` where it was: ATTEMPT.OFFSET.
"""

import codecs
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lilong.common.django.streams import STOPPING, SharedPoll, format_event
from lilong.foundation.runs.services.logs import LogStanding, read_log_bytes, read_standings

PERIOD_S = 0.5
CHUNK_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024
BACKLOG_BYTES_MAX = 1024 * 1024
SILENCE_S = 15
CHECK_EVERY_S = 5
STREAM_S_MAX = 30 * 60
RETRY_MS = 3000

STANDINGS = SharedPoll[LogStanding](read=lambda run_ids: read_standings(run_ids=run_ids), period_s=PERIOD_S)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader is: the attempt's number and the next byte."""

    attempt_number: int
    offset: int


def read_place(text: str) -> Place | None:
    """Return the place that a browser names, or None where it names none.

    >>> read_place("2.1024"), read_place("x")
    (Place(attempt_number=2, offset=1024), None)
    """
    number, _, offset = text.partition(".")
    is_place = number.isascii() and number.isdecimal() and offset.isascii() and offset.isdecimal()
    return Place(int(number[:9]), int(offset[:16])) if is_place else None


def find_tail(size_bytes: int) -> int:
    """Return from where the last part of a log begins."""
    return max(0, size_bytes - TAIL_BYTES)


def follow_log(*, run_id: str, rank: int, place: Place | None, may_go_on: Callable[[], bool]) -> Iterator[bytes]:
    """Yield events until the run is over, `may_go_on` says no, the process stops, or half an hour has passed.

    Memory: one chunk. Who has fallen more than a mebibyte behind goes on at the tail.
    """
    yield b"retry: %d\n\n" % RETRY_MS
    began_at = checked_at = said_at = time.monotonic()
    reader = _Reader(rank=rank, place=place)
    with STANDINGS.watch(run_id) as look:
        while not STOPPING.is_set() and time.monotonic() - began_at < STREAM_S_MAX:
            standing = look()
            if standing is None or rank >= standing.ranks:
                return
            for event in reader.read_on(standing):
                said_at = time.monotonic()
                yield event
            if standing.is_over:
                yield format_event(name="end", payload={"state": standing.run_state})
                return
            now = time.monotonic()
            if now - checked_at > CHECK_EVERY_S:
                checked_at = now
                if not may_go_on():
                    yield format_event(name="gone", payload={})
                    return
            if now - said_at > SILENCE_S:
                said_at = now
                yield b": still here\n\n"  # finds out whether anybody listens
            STOPPING.wait(PERIOD_S)


class _Reader:
    """One reader's way through the logs of one rank, attempt after attempt."""

    def __init__(self, *, rank: int, place: Place | None) -> None:
        self._rank, self._place = rank, place
        self._attempt_id = ""
        self._offset = 0
        self._states: tuple[str, str] | None = None
        self._decoder = _new_decoder()

    def read_on(self, standing: LogStanding) -> Iterator[bytes]:
        """Yield what is new."""
        size = standing.sizes.get(self._rank, 0)
        if standing.attempt_id != self._attempt_id:
            yield from self._begin(standing, size)
        if size - self._offset > BACKLOG_BYTES_MAX:
            yield from self._skip(standing, find_tail(size))
        while self._offset < size:
            chunk = read_log_bytes(
                attempt_id=standing.attempt_id, rank=self._rank, offset=self._offset, limit=CHUNK_BYTES
            )
            if not chunk:
                break
            self._offset += len(chunk)
            text = self._decoder.decode(chunk)
            safe = self._offset - len(self._decoder.getstate()[0])
            yield format_event(name="log", payload={"text": text}, event_id=f"{standing.attempt_number}.{safe}")
        states = (standing.attempt_state.value, standing.run_state.value)
        if self._states not in {None, states}:
            yield format_event(name="state", payload={"attempt": states[0], "run": states[1]})
        self._states = states

    def _begin(self, standing: LogStanding, size: int) -> Iterator[bytes]:
        """Go on where the reader was before, or begin at the tail: of a later attempt, at its start."""
        goes_on = self._place is not None and self._place.attempt_number == standing.attempt_number
        is_first = not self._attempt_id
        self._attempt_id, self._decoder = standing.attempt_id, _new_decoder()
        if goes_on and self._place is not None and self._place.offset <= size:
            self._offset = self._place.offset
            return
        self._offset = 0
        yield format_event(name="attempt", payload={"number": standing.attempt_number})
        if is_first and find_tail(size):
            yield from self._skip(standing, find_tail(size))

    def _skip(self, standing: LogStanding, offset: int) -> Iterator[bytes]:
        self._offset, self._decoder = offset, _new_decoder()
        yield format_event(name="skip", payload={"bytes": offset}, event_id=f"{standing.attempt_number}.{offset}")


def _new_decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")(errors="replace")
