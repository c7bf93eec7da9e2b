"""The worker's loop over a table of (name, period, function).

Any number of workers may run. Deliveries are claimed one by one; all other steps belong to the one worker that holds
the lease, and one that dies loses it a few seconds later. Couriers, which speak to mail servers and webhooks, run in
loops of their own: whoever is slow there holds up nothing here.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import close_old_connections

from lilong.common.time import utc_now
from lilong.foundation.outbox.public import deliver, prune, release_lease, take_lease
from lilong.web.config import load_settings
from lilong.web.wiring import COURIERS, RECONCILERS, SUBSCRIBERS

BACKOFF_FACTOR = 2.0
BACKOFF_MAX_S = 60.0
LEASE = "worker"
LEASE_S = 6.0

log = structlog.get_logger()


@dataclass(slots=True)
class Step:
    """One row of the table, and when it is due next, on the monotonic clock."""

    name: str
    period_s: float
    act: Callable[[datetime], object]
    alone: bool = True
    due_s: float = 0.0
    failures: int = 0


class Worker:
    """Runs due steps until it is told to stop. A step that fails is tried again, ever more slowly; no other waits."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = list(steps)
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._leased_until_s = 0.0
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let `run` return after the step that is running."""
        self._stopped.set()

    def run(self) -> None:
        """Run until stopped, sleeping while nothing is due; then hand the lease back."""
        while not self._stopped.is_set():
            self.run_due()
            pause_s = min(step.due_s for step in self._steps) - time.monotonic()
            self._stopped.wait(max(0.0, pause_s))
        self._hand_back()

    def run_due(self) -> None:
        """Run every step that is due now, once."""
        for step in self._steps:
            if not self._stopped.is_set() and step.due_s <= time.monotonic():
                close_old_connections()
                self._run_step(step)

    def _run_step(self, step: Step) -> None:
        try:
            if not step.alone or self._holds_lease():
                step.act(utc_now())
            step.failures = 0
        except Exception:  # a broken step must not end the others; it is logged and tried again
            step.failures += 1
            log.exception("worker_step_failed", step=step.name, failures=step.failures)
        pause_s = step.period_s * BACKOFF_FACTOR**step.failures
        step.due_s = time.monotonic() + (min(pause_s, BACKOFF_MAX_S) if step.failures else step.period_s)

    def _holds_lease(self) -> bool:
        """Hold the lease, renewing it only when half of it is gone: most rounds write nothing."""
        asked_s = time.monotonic()
        if self._leased_until_s - asked_s > LEASE_S / 2:
            return True
        held = take_lease(name=LEASE, holder=self._holder, seconds=LEASE_S, now=utc_now())
        self._leased_until_s = asked_s + LEASE_S if held else 0.0
        return held

    def _hand_back(self) -> None:
        if self._leased_until_s:
            release_lease(name=LEASE, holder=self._holder)


def build_couriers() -> list[Step]:
    """Return the steps that speak to others and may take long, each for a loop of its own."""
    return [
        Step(name, period_s, lambda now, act=act: act(now=now), alone=False)  # type: ignore[misc]
        for name, period_s, act in COURIERS
    ]


def build_steps() -> list[Step]:
    """Return the table: the outbox first, unless the settings switch it off, then every room's reconciler."""
    steps = [Step("outbox-prune", 300.0, lambda now: prune(now=now))]
    if load_settings().outbox_delivery:
        steps.insert(0, Step("outbox", 0.2, lambda now: deliver(now=now, subscribers=SUBSCRIBERS), alone=False))
    for name, period_s, reconcile in RECONCILERS:
        steps.append(Step(name, period_s, lambda now, reconcile=reconcile: reconcile(now=now)))  # type: ignore[misc]
    return steps
