"""Rounds of a crash test: somebody orders a job, something is killed, and in the end everything must be in order.

A fault is either `kill:web|worker|agent|shim` at a random moment, or the name of a commit point (see `inject`).
"""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lilong.cli.demo.stage import Stage, Terms
from lilong.common.errors import Conflict
from lilong.common.money import UC_PER_CREDIT
from lilong.protocol.spec_yaml import parse_spec
from lilong.sdk.folders import list_missing, send_folder
from lilong.sdk.orders import Order
from lilong.sdk.pack import list_folder, pack_files
from tests.hub import running_hub
from tests.polling import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
SETTLED_WITHIN_S = 120
QUOTE_LIFE_DAYS = 16 / (24 * 60)
STEPS = 12
PROCESSES = ("web:", "worker:", "agent:")
KILLS = ("kill:web", "kill:worker", "kill:agent", "kill:shim")
JOB = f"""
import os, time
step = int(open("checkpoint/step").read()) if os.path.exists("checkpoint/step") else 0
os.makedirs("checkpoint", exist_ok=True)
while step < {STEPS}:
    time.sleep(0.1)
    step += 1
    print("step", step, flush=True)
    with open("checkpoint/fresh", "w") as file:
        file.write(str(step))
    os.replace("checkpoint/fresh", "checkpoint/step")
open("result.txt", "w").write("done after %d steps" % step)
"""
SPEC = b"""
name: steps
command: python job.py
walltime: 2m
max_attempts: 8
resources: {cores: 1, memory: 256MiB, disk: 64MiB}
checkpoint: {path: checkpoint, grace: 2s}
outputs: [{path: result.txt, max: 1KiB}]
"""
RESULT = f"done after {STEPS} steps".encode()


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

    def __init__(self, *, stage: Stage, folder: Path, orders: Path, seed: int) -> None:
        self._stage = stage
        self._folder = folder
        self._orders = orders
        self._random = random.Random(seed)
        (self._orders / "job").mkdir(parents=True)
        self._keys = self._orders / "keys.json"
        self._keys.write_text(_lilong("record", "keys", "--home", stage.hub.home))
        (self._orders / "job" / "job.py").write_text(JOB)

    def list_points(self) -> list[str]:
        """Return every commit point that web, worker or agent has passed so far."""
        points = [path.read_text() for path in (self._folder / "seen").iterdir()]
        return sorted(point for point in points if point.startswith(PROCESSES))

    def choose_faults(self, count: int) -> list[str]:
        """Return `count` faults: kills at random moments and known commit points in turn, none twice before all."""
        points = self.list_points()
        self._random.shuffle(points)
        chosen: list[str] = []
        for number in range(count):
            odd = number % 3 == 0 or not points
            chosen.append(self._random.choice(KILLS) if odd else points.pop())
        return chosen

    def run(self, fault: str) -> Round:
        """Order a job, let `fault` strike, wait for the settlement, and look at everything."""
        began_s = time.monotonic()
        if not fault.startswith("kill:"):
            (self._folder / "plan").write_text(fault)
        order = self._place_order()
        struck = self._strike(fault, order) if fault.startswith("kill:") else False
        try:
            wait_until(lambda: self._stage.engineer.orders.get(order.id).order.settled_at, within_s=SETTLED_WITHIN_S)
            troubles = self._find_troubles(order)
        except AssertionError as error:
            troubles = [f"not settled: {error}", json.dumps(self._describe(order))]
        if not fault.startswith("kill:"):
            struck = not (self._folder / "plan").exists()
            (self._folder / "plan").unlink(missing_ok=True)
        attempts = len(self._stage.engineer.runs.get(order.run_id).attempts)
        return Round(fault, struck, attempts, time.monotonic() - began_s, tuple(troubles))

    def find_leftovers(self) -> list[str]:
        """Return what must not be there once nothing runs: processes of jobs, open holds, differences in the books.

        A quote whose answer was lost reserves voucher value until it expires; that is no leftover before.
        """
        home = self._stage.hub.home
        processes = [text for text in list_processes() if str(home / "agent" / "spool") in text]
        with sqlite3.connect(f"file:{home / 'hub.sqlite3'}?mode=ro", uri=True) as database:
            holds = database.execute(
                "SELECT h.id FROM ledger_transfer h WHERE h.kind = 'pend' AND NOT EXISTS "
                "(SELECT 1 FROM ledger_transfer r WHERE r.pending_id = h.id) AND NOT "
                "(h.code = 'reserve' AND julianday(h.recorded_at) > julianday('now') - ?)",
                (QUOTE_LIFE_DAYS,),
            ).fetchall()
        _lilong("ledger", "verify", "--home", home)
        return [*(f"process {text}" for text in processes), *(f"hold {hold}" for (hold,) in holds)]

    def _place_order(self) -> Order:
        engineer = self._stage.engineer
        packed = pack_files(listing=list_folder(folder=self._orders / "job"))
        missing = list_missing(packed=packed, objects=engineer.objects)
        workdir_sha256 = send_folder(packed=packed, missing=missing, objects=engineer.objects)
        spec = parse_spec(SPEC).model_copy(update={"workdir_sha256": workdir_sha256})
        return engineer.orders.place(quote_id=engineer.quotes.create(spec=spec).quote_id)

    def _strike(self, fault: str, order: Order) -> bool:
        """Kill at a random moment of the next two seconds; a shim as soon as there is one."""
        name = fault.removeprefix("kill:")
        moment_s = time.monotonic() + self._random.uniform(0, 2.5)
        wait_until(lambda: time.monotonic() >= moment_s, within_s=5)
        pid = self._find_shim(order) if name == "shim" else self._stage.hub.find_pid(name)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def _find_shim(self, order: Order) -> int | None:
        attempts = self._stage.engineer.runs.get(order.run_id).attempts
        for attempt in attempts[-1:]:
            for path in (self._stage.hub.home / "agent" / "spool").glob(f"{attempt.id}/**/shim.json"):
                with suppress(ValueError, KeyError, OSError):
                    return int(json.loads(path.read_text())["pid"])
        return None

    def _find_troubles(self, order: Order) -> list[str]:
        engineer = self._stage.engineer
        detail = engineer.orders.get(order.id).order
        run = engineer.runs.get(order.run_id)
        troubles: list[str] = []
        if detail.run_state != "succeeded":
            troubles.append(f"the run ended as {detail.run_state}: {json.dumps(self._describe(order))}")
        if (detail.charged_uc or 0) + (detail.refunded_uc or 0) != detail.max_uc:
            troubles.append("charged and refunded are not the hold")
        kept = {artefact.path: artefact.sha256 for artefact in run.artefacts}
        if kept.get("result.txt") != hashlib.sha256(RESULT).hexdigest():
            troubles.append(f"the artefact is lost or wrong: {kept}")
        folder = self._orders / order.id
        wait_until(lambda: self._download(order, folder), within_s=60)
        troubles += _run_verifier("recompute_charge.py", folder)
        troubles += _run_verifier("verify_record.py", folder, "--keys", self._keys)
        return troubles

    def _download(self, order: Order, folder: Path) -> bool:
        """Fetch the exports, unless the record's head is not witnessed yet."""
        with suppress(Conflict):
            return bool(self._stage.engineer.orders.download_exports(order.id, folder=folder))
        return False

    def _describe(self, order: Order) -> object:
        run = self._stage.engineer.runs.get(order.run_id)
        return [run.state, run.waiting_reason, [(a.number, a.state, a.reason, a.detail) for a in run.attempts]]


@contextmanager
def running_crash_stage(folder: Path, *, seed: int) -> Generator[CrashStage]:
    """Run a hub in `folder` whose processes load `inject`, with an engineer who has money."""
    crashes = folder / "crashes"
    (crashes / "seen").mkdir(parents=True)
    environment = {"PYTHONPATH": str(Path(__file__).with_name("inject")), "LILONG_CRASH_FOLDER": str(crashes)}
    terms = Terms(wallet_uc=10_000 * UC_PER_CREDIT)
    with running_hub(folder / "hub", environment=environment) as hub, Stage(hub=hub, terms=terms) as stage:
        stage.set_up()
        yield CrashStage(stage=stage, folder=crashes, orders=folder / "orders", seed=seed)


def _lilong(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "lilong.cli.main", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def _run_verifier(script: str, folder: Path, *arguments: str | Path) -> list[str]:
    command = [sys.executable, REPOSITORY / "tools" / script, folder, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"{script}: {finished.stdout}{finished.stderr}"] if finished.returncode else []


def list_processes() -> list[str]:
    """Return the command line of every process of this machine."""
    texts: list[str] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                texts.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return texts


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
