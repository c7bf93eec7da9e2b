"""Rounds of a crash test: somebody orders a job, something is killed, and in the end everything must be in order.

A fault is either the name of a kill at a random moment, such as `kill:web`, or that of a commit point (see `inject`).
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lilong.cli.demo.stage import Stage, Terms
from lilong.common.errors import LilongError
from lilong.common.money import UC_PER_CREDIT
from lilong.sdk.orders import Order
from tests.crash.buyer import Buyer
from tests.hub import running_hub
from tests.polling import wait_until

PROCESSES = ("web:", "worker:", "agent:")
LIFE_S, SHIM_LIFE_S = 2.5, 1.0
TURNS = 3

Kill = Callable[[Order, random.Random], bool]  # kill something while this order goes on; tells whether it was there


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: whether its fault struck, how often the job was tried, and what was wrong in the end."""

    fault: str
    struck: bool
    attempts: int
    seconds: float
    troubles: tuple[str, ...]


class CrashStage:
    """A hub whose processes die at planned points, with somebody who orders.

    folder: of `inject`. kills: what can be killed at random moments, by the fault's name; of TURNS faults in a row so
    many are kills.
    """

    def __init__(
        self, *, buyer: Buyer, folder: Path, seed: int, kills: Mapping[str, Kill], kills_in_turn: int = 1
    ) -> None:
        self.random = random.Random(seed)
        self._buyer = buyer
        self._folder = folder
        self._kill_by_name = kills
        self._kills_in_turn = kills_in_turn
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
            for deck, fresh in ((self._points, self.list_points()), (self._kills, list(self._kill_by_name))):
                if not deck:
                    deck.extend(self.random.sample(fresh, len(fresh)))
            at_random = number % TURNS < self._kills_in_turn or not self._points
            chosen.append((self._kills if at_random else self._points).pop())
        return chosen

    def run(self, fault: str) -> Round:
        """Order a job, let `fault` strike, wait for the settlement, and look at everything."""
        began_s = time.monotonic()
        kill = self._kill_by_name.get(fault)
        if kill is None:
            (self._folder / "plan").write_text(fault)
        try:
            order = self._buyer.place()
        except LilongError as error:
            return Round(fault, self._drop_plan(), 0, time.monotonic() - began_s, (f"not ordered: {error}",))
        struck = kill(order, self.random) if kill is not None else False
        try:
            self._buyer.wait_until_settled(order)
            troubles = self._buyer.find_troubles(order)
        except AssertionError as error:
            troubles = [f"not settled: {error}", json.dumps(self._buyer.describe(order))]
        if kill is None:
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


def kill_process(find_pid: Callable[[], int | None], *, life_s: float = LIFE_S) -> Kill:
    """Return how a process that is always there is killed at a random moment of an order's life."""

    def kill(_order: Order, chance: random.Random) -> bool:
        wait_for_moment(chance.uniform(0, life_s))
        return end_process(find_pid())

    return kill


def kill_shim(buyer: Buyer, *, life_s: float = SHIM_LIFE_S) -> Kill:
    """Return how the wrapper of the order's job is killed at a random moment after its start."""

    def kill(order: Order, chance: random.Random) -> bool:
        wait_until(lambda: buyer.find_shim(order), within_s=60)
        wait_for_moment(chance.uniform(0, life_s))
        return end_process(buyer.find_shim(order))

    return kill


def wait_for_moment(seconds: float) -> None:
    """Return after so many seconds."""
    moment_s = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= moment_s, within_s=seconds + 5)


def end_process(pid: int | None) -> bool:
    """Kill a process and return whether it was there."""
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def make_crash_folder(folder: Path) -> Mapping[str, str]:
    """Make the folder of `inject`; return the environment of the processes that are to load it."""
    (folder / "seen").mkdir(parents=True)
    return {"PYTHONPATH": str(Path(__file__).with_name("inject")), "LILONG_CRASH_FOLDER": str(folder)}


@contextmanager
def running_crash_stage(folder: Path, seed: int) -> Generator[CrashStage]:
    """Run a hub in `folder` whose processes load `inject`, with an engineer who has money."""
    crashes = folder / "crashes"
    environment = make_crash_folder(crashes)
    terms = Terms(wallet_uc=10_000 * UC_PER_CREDIT)
    with running_hub(folder / "hub", environment=environment) as hub, Stage(hub=hub, terms=terms) as stage:
        stage.set_up()
        buyer = Buyer(stage=stage, folder=folder / "orders")
        kills = {f"kill:{name}": kill_process(partial(hub.find_pid, name)) for name in ("web", "worker", "agent")}
        kills["kill:shim"] = kill_shim(buyer)
        yield CrashStage(buyer=buyer, folder=crashes, seed=seed, kills=kills)


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
