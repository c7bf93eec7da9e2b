"""Rounds of a crash test: somebody orders a job, something is killed, and in the end everything must be in order.

A fault is either `kill:web|worker|agent|shim` at a random moment, or the name of a commit point (see `inject`).
"""

import json
import os
import random
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lilong.cli.demo.stage import Stage, Terms
from lilong.common.errors import LilongError
from lilong.common.money import UC_PER_CREDIT
from lilong.sdk.orders import Order
from tests.crash.buyer import Buyer
from tests.hub import running_hub
from tests.polling import wait_until

PROCESSES = ("web:", "worker:", "agent:")
KILLS = ("kill:web", "kill:worker", "kill:agent", "kill:shim")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: whether its fault struck, how often the job was tried, and what was wrong in the end."""

    fault: str
    struck: bool
    attempts: int
    seconds: float
    troubles: tuple[str, ...]


class CrashStage:
    """A hub whose processes die at planned points, with somebody who orders."""

    def __init__(self, *, buyer: Buyer, folder: Path, seed: int) -> None:
        self._buyer = buyer
        self._folder = folder
        self._random = random.Random(seed)
        self._points: list[str] = []
        self._kills: list[str] = []

    def list_points(self) -> list[str]:
        """Return every commit point that web, worker or agent has passed in the rounds so far."""
        points = [path.read_text() for path in (self._folder / "seen").iterdir()]
        return sorted(point for point in points if point.startswith(PROCESSES))

    def run_calm(self) -> Round:
        """Order a job that nothing disturbs, and learn which commit points an order passes."""
        for path in (self._folder / "seen").iterdir():
            path.unlink()
        return self.run("none")

    def choose_faults(self, count: int) -> list[str]:
        """Return `count` faults: kills at random moments and known commit points in turn, none twice before all."""
        chosen: list[str] = []
        for number in range(count):
            for deck, fresh in ((self._points, self.list_points()), (self._kills, KILLS)):
                if not deck:
                    deck.extend(self._random.sample(fresh, len(fresh)))
            at_random = number % 3 == 0 or not self._points
            chosen.append((self._kills if at_random else self._points).pop())
        return chosen

    def run(self, fault: str) -> Round:
        """Order a job, let `fault` strike, wait for the settlement, and look at everything."""
        began_s = time.monotonic()
        if not fault.startswith("kill:"):
            (self._folder / "plan").write_text(fault)
        try:
            order = self._buyer.place()
        except LilongError as error:
            return Round(fault, self._drop_plan(), 0, time.monotonic() - began_s, (f"not ordered: {error}",))
        struck = self._strike(fault, order) if fault.startswith("kill:") else False
        try:
            self._buyer.wait_until_settled(order)
            troubles = self._buyer.find_troubles(order)
        except AssertionError as error:
            troubles = [f"not settled: {error}", json.dumps(self._buyer.describe(order))]
        if not fault.startswith("kill:"):
            struck = self._drop_plan()
        attempts = len(self._buyer.list_attempts(order))
        return Round(fault, struck, attempts, time.monotonic() - began_s, tuple(troubles))

    def _drop_plan(self) -> bool:
        """Return whether somebody died as planned; nobody does any more."""
        struck = not (self._folder / "plan").exists()
        (self._folder / "plan").unlink(missing_ok=True)
        return struck

    def find_leftovers(self) -> list[str]:
        """Return what must not be there once nothing runs."""
        return self._buyer.find_leftovers()

    def _strike(self, fault: str, order: Order) -> bool:
        """Kill at a random moment of the next two seconds; a shim within a second of its start."""
        name = fault.removeprefix("kill:")
        if name == "shim":
            wait_until(lambda: self._buyer.find_shim(order), within_s=60)
        moment_s = time.monotonic() + self._random.uniform(0, 1.0 if name == "shim" else 2.5)
        wait_until(lambda: time.monotonic() >= moment_s, within_s=5)
        pid = self._buyer.find_shim(order) if name == "shim" else self._buyer.stage.hub.find_pid(name)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False


@contextmanager
def running_crash_stage(folder: Path, *, seed: int) -> Generator[CrashStage]:
    """Run a hub in `folder` whose processes load `inject`, with an engineer who has money."""
    crashes = folder / "crashes"
    (crashes / "seen").mkdir(parents=True)
    environment = {"PYTHONPATH": str(Path(__file__).with_name("inject")), "LILONG_CRASH_FOLDER": str(crashes)}
    terms = Terms(wallet_uc=10_000 * UC_PER_CREDIT)
    with running_hub(folder / "hub", environment=environment) as hub, Stage(hub=hub, terms=terms) as stage:
        stage.set_up()
        yield CrashStage(buyer=Buyer(stage=stage, folder=folder / "orders"), folder=crashes, seed=seed)


def summarise(rounds: Sequence[Round], *, points: Sequence[str]) -> str:
    """Return counts and coverage in three lines."""
    struck = [one for one in rounds if one.struck]
    died_at = {one.fault for one in struck if not one.fault.startswith("kill:")}
    troubled = [one for one in rounds if one.troubles]
    return "\n".join(
        [
            f"{len(rounds)} rounds, {len(struck)} with a crash, {sum(one.attempts for one in rounds)} attempts",
            f"{len(died_at)} of {len(points)} commit points died at",
            f"{len(troubled)} rounds with troubles",
        ]
    )
