"""Server-sent events from sync threads: a cap on how many, one shared look at what changes, and an end when asked to.

A stream holds a thread of the web process for as long as a browser listens, so it may not wait for anything unbounded.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import StreamingHttpResponse

from lilong.common.errors import LimitReached

log = structlog.get_logger("lilong.streams")

T = TypeVar("T")

STOPPING = threading.Event()
"""Set when this process is to end; every stream then ends within its period."""

RETRY_AFTER_S = 15


class StreamsFull(LimitReached):
    """As many browsers listen already as this web process has threads for."""

    code = "streams.full"
    title = "Too many pages are watching at once"
    status = 503
    next_step = "The page goes on by asking now and then; nothing is lost."
    retryable = True


class SharedPoll(Generic[T]):
    """Looks at everything that is watched with one read a period, however many streams there are.

    Whichever stream comes first after the period reads for all; the others wait for that read and share it.
    """

    def __init__(self, *, read: Callable[[Collection[str]], Mapping[str, T]], period_s: float) -> None:
        self._read, self.period_s = read, period_s
        self._lock = threading.Lock()
        self._watched: Counter[str] = Counter()
        self._latest: Mapping[str, T] = {}
        self._read_at = float("-inf")

    @contextmanager
    def watch(self, key: str) -> Iterator[Callable[[], T | None]]:
        """Give a function that returns what is known of `key`, at most a period old; None for what is not there."""
        with self._lock:
            self._watched[key] += 1
        try:
            yield lambda: self._look(key)
        finally:
            with self._lock:
                self._watched[key] -= 1
                if not self._watched[key]:
                    del self._watched[key]

    def _look(self, key: str) -> T | None:
        with self._lock:
            now = time.monotonic()
            if key not in self._latest or now - self._read_at >= self.period_s:
                self._latest = self._read(self._watched.keys())
                self._read_at = now
            return self._latest.get(key)


class _Slots:
    """The streams that this process has open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self) -> None:
        with self._lock:
            if self._taken >= settings.LILONG.web_streams:
                raise StreamsFull(retry_after_s=RETRY_AFTER_S, facts={"limit": settings.LILONG.web_streams})
            self._taken += 1

    def give_back(self) -> None:
        with self._lock:
            self._taken -= 1


_slots = _Slots()


class _Taken:
    """The parts of one stream; its slot is given back once, however the answer ends, even if nobody read any."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._parts
        except (DatabaseError, OSError) as error:  # the browser comes back by itself
            log.warning("stream_broke_off", exc_info=error)
        finally:
            self.close()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            _slots.give_back()


def respond_events(parts: Iterator[bytes]) -> StreamingHttpResponse:
    """Return the answer that sends `parts` as they come; raises StreamsFull over the cap."""
    _slots.take()
    response = StreamingHttpResponse(_Taken(parts), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def format_event(*, name: str, payload: Mapping[str, object], event_id: str = "") -> bytes:
    r"""Return one event; `event_id` is what a browser sends back when it comes again.

    >>> format_event(name="log", payload={"text": "a\nb"}, event_id="1.3")
    b'id: 1.3\nevent: log\ndata: {"text": "a\\nb"}\n\n'
    """
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(payload)}\n\n".encode()
