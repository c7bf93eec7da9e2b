"""Run the suites of suites.toml, each under its budget: `python -m tests.run [NAME …]`.

Suites of different lanes run at once: what mostly waits for clusters and agents beside what mostly computes. A suite
that fails stops no other. With CI=true a skipped test is a failure, because there everything can be installed.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import BinaryIO
from xml.etree import ElementTree as ET

from tests.postgresql import PostgresqlMissing, running_cluster

SUITES_FILE = Path(__file__).with_name("suites.toml")
GRACE_S = 10
LOOK_EVERY_S = 0.2
EXIT_CODES_OF_PYTEST = {1: "failed", 2: "interrupted", 3: "internal error", 4: "usage error", 5: "found no test"}


@dataclass(frozen=True, slots=True)
class Suite:
    """One row of suites.toml on one database."""

    name: str
    arguments: tuple[str, ...]
    database: str
    minutes: float
    lane: str

    @property
    def label(self) -> str:
        """Name of the suite and its database."""
        return f"{self.name} on {self.database}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one suite did; `trouble` is empty when it passed; one line per failed and per skipped test."""

    suite: Suite
    seconds: float = 0.0
    passed: int = 0
    failures: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def outcome(self) -> str:
        """Text for the closing table."""
        if self.trouble:
            return self.trouble
        return "passed" if self.passed else "skipped"


def read_suites(*, names: Sequence[str] = ()) -> list[Suite]:
    """Return the suites of suites.toml, or those named; raises SystemExit for a name that is not there."""
    rows = tomllib.loads(SUITES_FILE.read_text(encoding="utf-8"))["suite"]
    known = [row["name"] for row in rows]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"No such suite: {', '.join(unknown)}. There are: {', '.join(known)}.")
    return [
        Suite(
            name=row["name"],
            arguments=tuple(row["arguments"]),
            database=database,
            minutes=row["minutes"],
            lane=row["lane"],
        )
        for row in rows
        if not names or row["name"] in names
        for database in row["databases"]
    ]


def run_suite(
    suite: Suite, *, environment: Mapping[str, str], report: Path, output: BinaryIO | None = None, stop: Event
) -> Result:
    """Run one suite to its end, to the end of its budget or until `stop`; its output goes to `output`, or is shown."""
    command = [sys.executable, "-m", "pytest", "-q", "--durations=3", f"--junitxml={report}", *suite.arguments]
    began = time.monotonic()
    environment = {**environment, "LILONG_TEST_DATABASE": suite.database}
    process = subprocess.Popen(command, env=environment, process_group=0, stdout=output, stderr=output)
    trouble = ""
    try:
        while (code := _wait(process)) is None:
            if stop.is_set() or time.monotonic() - began >= suite.minutes * 60:
                trouble = "interrupted" if stop.is_set() else f"stopped: over {suite.minutes:g} min"
                break
        else:
            trouble = "" if code == 0 else EXIT_CODES_OF_PYTEST.get(code, f"ended with code {code}")
    finally:
        stop_group(process)
    return read_report(report, suite=suite, seconds=time.monotonic() - began, trouble=trouble)


def _wait(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait(timeout=LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def stop_group(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of the suite's process group: first so that pytest still reports, then for good."""
    for signal_number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
            process.wait(timeout=GRACE_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def read_report(report: Path, *, suite: Suite, seconds: float, trouble: str) -> Result:
    """Count the outcomes in pytest's JUnit report; a suite that wrote none has one failure: itself."""
    if not report.exists():
        trouble = trouble or "wrote no report"
        return Result(suite=suite, seconds=seconds, failures=(trouble,), trouble=trouble)
    passed = 0
    failures: list[str] = []
    skips: list[str] = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        name = f"{case.get('classname')}::{case.get('name')}"
        skip = case.find("skipped")
        bad = [found for kind in ("failure", "error") if (found := case.find(kind)) is not None]
        if bad:
            failures.append(f"{name}: {(bad[0].get('message') or 'failed').splitlines()[0]}")
        elif skip is not None:
            skips.append(f"{name}: {skip.get('message')}")
        else:
            passed += 1
    if trouble:
        failures = failures or [trouble]
    elif os.environ.get("CI") == "true" and skips:
        trouble = "skipped tests"
    return Result(
        suite=suite, seconds=seconds, passed=passed, failures=tuple(failures), skips=tuple(skips), trouble=trouble
    )


def print_table(results: Sequence[Result]) -> None:
    """Print what was skipped, a line per suite, what failed, and the sums as the last line."""
    for result in results:
        for skip in result.skips:
            print(f"skipped in {result.suite.label}: {skip}")
    print(f"\n{'suite':<28}{'outcome':<24}{'seconds':>9}{'budget':>9}{'passed':>9}{'failed':>9}{'skipped':>9}")
    for result in results:
        counts = f"{result.passed:>9}{len(result.failures):>9}{len(result.skips):>9}"
        budget_s = f"{result.suite.minutes * 60:>9.0f}"
        print(f"{result.suite.label:<28}{result.outcome:<24}{result.seconds:>9.1f}{budget_s}{counts}")
    for result in results:
        for failure in result.failures:
            print(f"failed in {result.suite.label}: {failure}")
    sums = [sum(numbers) for numbers in zip(*((r.passed, len(r.failures), len(r.skips)) for r in results), strict=True)]
    print("\n{} passed, {} failed, {} skipped".format(*sums), flush=True)


def run_lanes(suites: Sequence[Suite], *, environment: Mapping[str, str], folder: Path) -> list[Result]:
    """Run the lanes at once, each suite of a lane after the other; the results are in the order of the suites.

    Of several lanes a suite's output is shown when it ends, so that it stays in one piece.
    """
    lanes = list(dict.fromkeys(suite.lane for suite in suites))
    results: dict[int, Result] = {}
    printing, stop = Lock(), Event()

    def run_lane(lane: str) -> None:
        for number, suite in enumerate(suites):
            if suite.lane != lane or stop.is_set():
                continue
            report = folder / f"{number}.xml"
            if len(lanes) == 1:
                print(f"\n=== {suite.label}", flush=True)
                results[number] = run_suite(suite, environment=environment, report=report, stop=stop)
                continue
            print(f"... {suite.label} begins", flush=True)
            path = folder / f"{number}.txt"
            with path.open("wb") as output:
                result = run_suite(suite, environment=environment, report=report, output=output, stop=stop)
            with printing:
                results[number] = result
                print(f"\n=== {suite.label}\n{path.read_text(encoding='utf-8', errors='replace')}", flush=True)

    with ThreadPoolExecutor(len(lanes)) as executor:
        running = [executor.submit(run_lane, lane) for lane in lanes]
        try:
            for one in running:
                one.result()
        finally:
            stop.set()
    return [result for _, result in sorted(results.items())]


def main() -> int:
    """Run what the command line names, everything by default; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="suites to run; all when none is named")
    suites = read_suites(names=parser.parse_args().names)
    environment, missing = dict(os.environ), ""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lilong-suites-")))
        on_postgresql = [suite for suite in suites if suite.database == "postgresql"]
        if on_postgresql and "LILONG_TEST_POSTGRESQL" not in environment:
            try:
                environment["LILONG_TEST_POSTGRESQL"] = stack.enter_context(running_cluster()).server_url
            except PostgresqlMissing as problem:
                missing = str(problem)
        runnable = [suite for suite in suites if not missing or suite not in on_postgresql]
        results = run_lanes(runnable, environment=environment, folder=folder)
    if missing:
        trouble = missing if os.environ.get("CI") == "true" else ""
        results += [
            Result(one, failures=(trouble,) if trouble else (), skips=(missing,), trouble=trouble)
            for one in on_postgresql
        ]
    print_table(results)
    return 1 if any(result.trouble for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
