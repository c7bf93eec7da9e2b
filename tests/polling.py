"""The one way in which a test waits: for a condition, up to a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], *, within_s: float, every_s: float = 0.02) -> T:
    """Call `condition` until it returns something true, and return that; fail when `within_s` have passed."""
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {condition!r}; last answer {answer!r}")
        time.sleep(every_s)
