"""Somebody who orders jobs that can be told when to end, and who looks at everything afterwards."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import LiteralString

import psycopg

from lilong.cli.demo.stage import Stage
from lilong.common.errors import Conflict
from lilong.protocol.messages import AttemptState, Fault
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_yaml import parse_spec
from lilong.sdk.folders import list_missing, send_folder
from lilong.sdk.orders import Order
from lilong.sdk.pack import list_folder, pack_files
from lilong.sdk.patience import ask_patiently
from lilong.sdk.runs import Run
from tests.crash.jobs import Jobs, MachineJobs
from tests.polling import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
STEP_WITHIN_S = 120
QUOTE_LIFE_DAYS = 16 / (24 * 60)
STEPS = 12
LEAST_MS = 1_000  # a cluster counts whole seconds
DOUBT_MS = 10_000  # by so much may the engine's meter be ahead of the job's own reports
TITLE, COUNT, GATE, GO = "title", "count", "gate", "go"
JOB = f"""
import os, time
count = int(open("{COUNT}").read())
step = int(open("checkpoint/step").read()) if os.path.exists("checkpoint/step") else 0
os.makedirs("checkpoint", exist_ok=True)
while step < count:
    time.sleep(0.1)
    step += 1
    print("step", step, flush=True)
    with open("checkpoint/fresh", "w") as file:
        file.write(str(step))
    os.replace("checkpoint/fresh", "checkpoint/step")
while os.path.exists("{GATE}") and not os.path.exists("{GO}"):
    time.sleep(0.1)
open("result.txt", "w").write("%s done after %d steps" % (open("{TITLE}").read(), step))
"""
SPEC = b"""
name: steps
command: python job.py
walltime: 10m
max_attempts: 8
resources: {cores: 1, memory: 256MiB, disk: 64MiB}
checkpoint: {path: checkpoint, grace: 2s}
outputs: [{path: result.txt, max: 1KiB}]
"""

OPEN_HOLDS: LiteralString = (
    "SELECT h.id FROM ledger_transfer h WHERE h.kind = 'pend' AND NOT EXISTS "
    "(SELECT 1 FROM ledger_transfer r WHERE r.pending_id = h.id) AND NOT "
)


class Buyer:
    """The stage's engineer at work. A gated job runs until it is let go.

    folder: for her files; jobs: of all pools that she buys from, by default the embedded hub's alone; environment: of
    the operator's commands, where the hub lies elsewhere than in its home.
    """

    def __init__(
        self,
        *,
        stage: Stage,
        folder: Path,
        jobs: Sequence[Jobs] = (),
        settles_within_s: float = STEP_WITHIN_S,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.stage = stage
        self._environment = environment
        self._jobs = jobs or (MachineJobs(stage.agent_home),)
        self._settles_within_s = settles_within_s
        self._folder = folder
        self._keys = folder / "keys.json"
        self._results: dict[str, str] = {}
        folder.mkdir()
        self.note_keys()

    def note_keys(self) -> None:
        """Write down whose signatures the record bears now."""
        home = self.stage.hub.home
        self._keys.write_text(run_lilong("record", "keys", "--home", home, environment=self._environment))

    def ask(self, *, gated: bool = False, steps: int = STEPS) -> RunSpec:
        """Send the files of a job whose result no other has, and return what runs it for `steps` tenths of a second."""
        engineer = self.stage.engineer
        work = self._folder / f"job {len(self._results) + 1}"
        work.mkdir()
        (work / "job.py").write_text(JOB)
        (work / TITLE).write_text(work.name)
        (work / COUNT).write_text(str(steps))
        if gated:
            (work / GATE).touch()
        packed = pack_files(listing=list_folder(folder=work))
        missing = list_missing(packed=packed, objects=engineer.objects)
        workdir_sha256 = send_folder(packed=packed, missing=missing, objects=engineer.objects)
        self._results[workdir_sha256] = f"{work.name} done after {steps} steps"
        return parse_spec(SPEC).model_copy(update={"workdir_sha256": workdir_sha256})

    def place(self, *, gated: bool = False, steps: int = STEPS) -> Order:
        """Order a job whose result no other order has."""
        engineer, spec = self.stage.engineer, self.ask(gated=gated, steps=steps)
        return engineer.orders.place(quote_id=engineer.quotes.create(spec=spec).quote_id)

    def let_go(self, order: Order) -> None:
        """Let a gated job end, whichever attempt it is in."""
        for attempt_id in self.list_attempts(order):
            for jobs in self._jobs:
                with suppress(FileNotFoundError):
                    (jobs.find_work(attempt_id) / GO).touch()

    def list_attempts(self, order: Order) -> list[str]:
        """Return the ids of an order's attempts, oldest first."""
        return [attempt.id for attempt in self._look_at_run(order).attempts]

    def find_shim(self, order: Order) -> int | None:
        """Return the process id of the shim of the newest attempt, once it has one."""
        found = [jobs.find_shim(attempt_id) for attempt_id in self.list_attempts(order)[-1:] for jobs in self._jobs]
        return next((pid for pid in found if pid is not None), None)

    def is_running(self, order: Order) -> bool:
        """Return whether the newest attempt of an order runs now."""
        attempts = self._look_at_run(order).attempts
        return bool(attempts) and attempts[-1].state == AttemptState.RUNNING

    def _look_at_run(self, order: Order) -> Run:
        return ask_patiently(partial(self.stage.engineer.runs.get, order.run_id), patience_s=STEP_WITHIN_S)

    def wait_until_running(self, *orders: Order) -> None:
        """Return when all these jobs run."""
        for order in orders:
            wait_until(partial(self.is_running, order), within_s=STEP_WITHIN_S)

    def wait_until_settled(self, *orders: Order) -> None:
        """Let these jobs end, and return when all their charges are final."""
        for order in orders:
            wait_until(partial(self.settles, order), within_s=self._settles_within_s, every_s=0.1)

    def settles(self, order: Order) -> bool:
        """Let the order's job end, in whatever attempt it is by now; return whether its charge is final."""
        self.let_go(order)
        look = partial(self.stage.engineer.orders.get, order.id)
        return ask_patiently(look, patience_s=STEP_WITHIN_S).order.settled_at is not None

    def find_leftovers(self) -> list[str]:
        """Return what must not be there once nothing runs: processes of jobs, open holds, differences in the books.

        A quote whose answer was lost reserves voucher value until it expires; that is no leftover before.
        """
        home = self.stage.hub.home
        left = [text for jobs in self._jobs for text in jobs.list_leftovers()]
        if url := (self._environment or {}).get("LILONG_DATABASE_URL"):
            with psycopg.connect(url) as server:
                holds = server.execute(
                    OPEN_HOLDS + "(h.code = 'reserve' AND h.recorded_at > now() - %s * interval '1 day')",
                    (QUOTE_LIFE_DAYS,),
                ).fetchall()
        else:
            with closing(sqlite3.connect(f"file:{home / 'hub.sqlite3'}?mode=ro", uri=True)) as database:
                holds = database.execute(
                    OPEN_HOLDS + "(h.code = 'reserve' AND julianday(h.recorded_at) > julianday('now') - ?)",
                    (QUOTE_LIFE_DAYS,),
                ).fetchall()
        run_lilong("ledger", "verify", "--home", home, environment=self._environment)
        return [*left, *(f"hold {hold}" for (hold,) in holds)]

    def find_troubles(self, order: Order) -> list[str]:
        """Return what is wrong with a settled order: its end, its money, its artefact, its exports.

        Where a provider failed, its meter may have run on for longer than the job's own reports: that is in dispute. So
        it is where a cluster was not told of an end, by its own books; a job that it has forgotten is billed nothing.
        """
        engineer = self.stage.engineer
        found = engineer.orders.get(order.id)
        detail = found.order
        run = engineer.runs.get(order.run_id)
        troubles: list[str] = []
        if detail.run_state != "succeeded":
            troubles.append(f"the run ended as {detail.run_state}: {json.dumps(self.describe(order))}")
        if (detail.charged_uc or 0) + (detail.refunded_uc or 0) != detail.max_uc:
            troubles.append("charged and refunded are not the hold")
        books = [jobs.find_accounted_ms(run.attempts[-1].id) for jobs in self._jobs]
        accounted_ms = None if None in books else max(ms or 0 for ms in books)
        if len(run.attempts) == 1 and run.billable_ms < LEAST_MS and accounted_ms != 0:
            troubles.append(f"a job that ran is billed for {run.billable_ms} ms")
        disputes = [step.detail for step in found.timeline if step.step == "dispute"]
        has_failed = any(attempt.fault == Fault.PROVIDER for attempt in run.attempts)
        if disputes and not has_failed and (accounted_ms or 0) < run.billable_ms + DOUBT_MS:
            troubles.append(f"in dispute without a failure: {disputes}")
        kept = {artefact.path: artefact.sha256 for artefact in run.artefacts}
        result = engineer.objects.read(kept["result.txt"]) if "result.txt" in kept else b""
        if result.decode() != self._results[str(engineer.runs.get_spec(order.run_id).workdir_sha256)]:
            troubles.append(f"the artefact is lost or wrong: {kept} {result!r}")
        folder = self._folder / order.id
        wait_until(lambda: self.download(order, folder), within_s=60)
        troubles += _run_verifier("recompute_charge.py", folder)
        troubles += _run_verifier("verify_record.py", folder, "--keys", self._keys)
        return troubles

    def download(self, order: Order, folder: Path) -> bool:
        """Fetch the exports, unless the record's head is not witnessed yet."""
        with suppress(Conflict):
            return bool(self.stage.engineer.orders.download_exports(order.id, folder=folder))
        return False

    def describe(self, order: Order) -> object:
        """Return where an order's run stands, for a message."""
        run = self.stage.engineer.runs.get(order.run_id)
        return [run.state, run.waiting_reason, [(a.number, a.state, a.reason, a.detail) for a in run.attempts]]


def run_lilong(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command of `lilong`, with `environment` over ours, and return its standard output."""
    command = [sys.executable, "-m", "lilong.cli.main", *arguments]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    all_of_it = ours | dict(environment or {})
    return subprocess.run(command, env=all_of_it, capture_output=True, text=True, check=True).stdout


def _run_verifier(script: str, folder: Path, *arguments: str | Path) -> list[str]:
    command = [sys.executable, REPOSITORY / "tools" / script, folder, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"{script}: {finished.stdout}{finished.stderr}"] if finished.returncode else []
