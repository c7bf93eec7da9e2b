"""Waiting for a hub that restarts: the same question again until it is answered."""

from collections.abc import Callable
from typing import TypeVar

import stamina

from lilong.sdk.transport import is_worth_a_retry

PATIENCE_S = 600.0

T = TypeVar("T")


def ask_patiently(question: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """Return the answer to a question that changes nothing, asking again while the hub is away.

    Raises the last error once `patience_s` seconds have passed, and a refusal at once.
    """
    for attempt in stamina.retry_context(
        on=is_worth_a_retry, attempts=None, timeout=patience_s, wait_initial=0.2, wait_max=3.0
    ):
        with attempt:
            return question()
    raise AssertionError("unreachable: the last try returns or raises")
