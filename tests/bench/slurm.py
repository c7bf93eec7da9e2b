"""What Lilong adds to Slurm, beside plain sbatch on the same cluster: `python -m tests.bench.slurm [JOBS]`.

Latency: from the call that places an order to the moment at which the job's command runs, and the same from the call of
sbatch. Bulk: jobs that end at once, from the first order placed (the quotes are there) to the last that has ended.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lilong.protocol.spec import Resources, RunSpec
from lilong.sdk.quotes import Quote
from tests.polling import wait_until
from tests.slurm.site import Site, running_site
from tests.slurm.stage import SlurmStage, running_stage

ROUNDS = 8
JOBS = 60
WITHIN_S = 300
SCRIPT = "#!/bin/sh\ndate +%s.%N > {mark}\n"


def make_spec(command: str) -> RunSpec:
    """Return a small job."""
    return RunSpec(name="bench", command=command, resources=Resources(memory_mib=64, disk_mib=8), walltime_s=60)


def time_order(stage: SlurmStage) -> float:
    """Return the seconds from placing an order until its command runs, by the log that it writes."""
    quote = stage.engineer.quotes.create(spec=make_spec("date +%s.%N"))
    began_s = time.time()
    order = stage.engineer.orders.place(quote_id=quote.quote_id)
    wait_until(lambda: stage.engineer.runs.get(order.run_id).finished, within_s=WITHIN_S)
    return float(stage.engineer.runs.read_log(order.run_id, attempt_number=1).content) - began_s


def time_sbatch(site: Site, folder: Path) -> float:
    """Return the seconds from calling sbatch as a member until its script runs."""
    mark = folder / f"mark-{time.monotonic_ns()}"
    began_s = time.time()
    site.cluster.run("sbatch", "--parsable", *PLAIN, user=site.users[0], stdin=SCRIPT.format(mark=mark))
    wait_until(lambda: mark.exists() and mark.stat().st_size, within_s=WITHIN_S, every_s=0.02)
    return float(mark.read_text()) - began_s


PLAIN = ("--partition=low", "--mem=64M", "--time=1", "--output=/dev/null", "--chdir=/tmp")


def time_orders(stage: SlurmStage, count: int) -> float:
    """Return the seconds from the first of `count` orders placed at once until the last run has ended."""
    made: list[Quote] = []
    began_s = time.monotonic()

    def order(_: int) -> str:
        quote = stage.engineer.quotes.create(spec=make_spec("true"))
        made.append(quote)
        return stage.engineer.orders.place(quote_id=quote.quote_id).run_id

    with ThreadPoolExecutor(3) as pool:  # so many quotes may live at a time
        runs = list(pool.map(order, range(count)))
    placed_s = time.monotonic() - began_s
    print(f"{'all placed':<28}{placed_s:>9.2f} s")
    for run_id in runs:
        wait_until(lambda run_id=run_id: stage.engineer.runs.get(run_id).finished, within_s=WITHIN_S)  # type: ignore[misc]
    return time.monotonic() - began_s


def time_sbatches(site: Site, count: int) -> float:
    """Return the seconds from the first of `count` calls of sbatch until no job is left."""
    began_s = time.monotonic()
    for _ in range(count):
        site.cluster.run("sbatch", "--parsable", *PLAIN, user=site.users[0], stdin="#!/bin/sh\ntrue\n")
    wait_until(lambda: not site.cluster.run("squeue", "--noheader").strip(), within_s=WITHIN_S, every_s=0.05)
    return time.monotonic() - began_s


def compare(title: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return both medians of alternating rounds."""
    figures = [(ours(), theirs()) for _ in range(rounds)]
    mine, plain = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"{title:<28}{mine:>9.2f} s{plain:>12.2f} s", flush=True)
    return mine, plain


def main() -> None:
    """Print both comparisons."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    with (
        running_site(suite="trixie", name="bench") as site,
        tempfile.TemporaryDirectory(dir=site.folder) as marks,
        tempfile.TemporaryDirectory() as folder,
        running_stage(Path(folder), sites=[site]) as stage,
    ):
        Path(marks).chmod(0o777)
        print(f"{'':<28}{'Lilong':>11}{'sbatch':>14}")
        mine, plain = compare(
            f"order to running, {ROUNDS} each",
            lambda: time_order(stage),
            lambda: time_sbatch(site, Path(marks)),
            ROUNDS,
        )
        print(f"{'added':<28}{mine - plain:>9.2f} s")
        mine, plain = compare(
            f"{jobs} jobs to their end", lambda: time_orders(stage, jobs), lambda: time_sbatches(site, jobs), 1
        )
        print(f"{'jobs/s':<28}{jobs / mine:>9.2f}  {jobs / plain:>12.2f}   ratio {plain / mine:.2f}")


if __name__ == "__main__":
    main()
