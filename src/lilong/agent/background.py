"""Run slow steps in threads, one of a kind per attempt, again after a growing pause when they fail."""

import random
import time
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from lilong.common.errors import LilongError

_RETRY_FIRST_S, _RETRY_MAX_S = 0.5, 30.0

log = structlog.get_logger(__name__)


class Background:
    """Steps under way, by attempt and kind. `start` belongs to one thread."""

    def __init__(self, *, executor: Executor, on_done: Callable[[], None]) -> None:
        self._executor = executor
        self._on_done = on_done
        self._running: set[tuple[str, str]] = set()
        self._retries: dict[tuple[str, str], tuple[float, float]] = {}
        self._notes: dict[str, str] = {}

    def start(self, *, kind: str, attempt_id: str, act: Callable[[], None]) -> None:
        """Run `act` in a thread, unless it runs already or a failure before has not cooled down."""
        key = (attempt_id, kind)
        if key not in self._running and time.monotonic() >= self._retries.get(key, (0.0, 0.0))[0]:
            self._running.add(key)
            self._executor.submit(self._run, key, act)

    def is_running(self, attempt_id: str) -> bool:
        """Return whether any step of this attempt is under way."""
        return any(key[0] == attempt_id for key in list(self._running))

    def note(self, attempt_id: str) -> str:
        """Return why a step of this attempt is being tried again, for people to read."""
        return self._notes.get(attempt_id, "")

    def forget(self, attempt_id: str) -> None:
        """Drop what is remembered of an attempt."""
        self._notes.pop(attempt_id, None)
        for key in [key for key in self._retries if key[0] == attempt_id]:
            self._retries.pop(key, None)

    def _run(self, key: tuple[str, str], act: Callable[[], None]) -> None:
        try:
            act()
        except LilongError as error:
            self._cool_down(key, note=f"{error.title}: {error.detail} It is tried again.")
            log.info("step is tried again", attempt=key[0], step=key[1], code=error.code, detail=error.detail)
        except Exception as error:  # a step must not end the agent; the attempt says what is wrong
            self._cool_down(key, note=f"The agent has trouble of its own: {error}")
            log.exception("step failed", attempt=key[0], step=key[1])
        else:
            self.forget(key[0])
        finally:
            self._running.discard(key)
            self._on_done()

    def _cool_down(self, key: tuple[str, str], *, note: str) -> None:
        pause_s = min(self._retries.get(key, (0.0, _RETRY_FIRST_S / 2))[1] * 2, _RETRY_MAX_S)
        moment_s = time.monotonic() + pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
        self._retries[key] = (moment_s, pause_s)
        self._notes[key[0]] = note
