"""What Lilong adds to Slurm, beside plain sbatch on the same cluster: `python -m tests.bench.slurm [JOBS]`.

Latency: from the call that places an order to the moment at which the job's command runs, and the same from the call of
sbatch. Bulk: from the first quote asked for to the last job that has ended, and the same from the first call of sbatch;
for jobs that end at once, where all time is overhead, and for jobs that fill the cluster, which then sets the pace.
Hub, agent, cluster and its nodes share this one machine, so that whatever Lilong does is taken from the jobs, too.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lilong.protocol.spec import Resources, RunSpec
from tests.polling import wait_until
from tests.slurm.site import Site, running_site
from tests.slurm.stage import SlurmStage, running_stage

ROUNDS = 8
JOBS, LONG_JOBS = 60, 40
LONG_CORES, LONG_S = 16, 5  # two of them fill a node of the cluster
WITHIN_S = 300
WATCH_EVERY_S = 0.1  # watching costs hub and controller time, too
SCRIPT = "#!/bin/sh\ndate +%s.%N > {mark}\n"


def make_spec(command: str, *, cores: int = 1) -> RunSpec:
    """Return a small job."""
    resources = Resources(cores=cores, memory_mib=64, disk_mib=8)
    return RunSpec(name="bench", command=command, resources=resources, walltime_s=60)


def has_ended(stage: SlurmStage, run_id: str) -> bool:
    """Return whether the hub knows the run's end."""
    return stage.engineer.runs.get(run_id).finished


def time_order(stage: SlurmStage) -> float:
    """Return the seconds from placing an order until its command runs, by the log that it writes."""
    quote = stage.engineer.quotes.create(spec=make_spec("date +%s.%N"))
    began_s = time.time()
    order = stage.engineer.orders.place(quote_id=quote.quote_id)
    wait_until(partial(has_ended, stage, order.run_id), within_s=WITHIN_S)
    return float(stage.engineer.runs.read_log(order.run_id, attempt_number=1).content) - began_s


def time_sbatch(site: Site, folder: Path) -> float:
    """Return the seconds from calling sbatch as a member until its script runs."""
    mark = folder / f"mark-{time.monotonic_ns()}"
    began_s = time.time()
    site.cluster.run("sbatch", "--parsable", *PLAIN, user=site.users[0], stdin=SCRIPT.format(mark=mark))
    wait_until(lambda: mark.exists() and mark.stat().st_size, within_s=WITHIN_S, every_s=0.02)
    return float(mark.read_text()) - began_s


PLAIN = ("--partition=low", "--mem=64M", "--time=1", "--output=/dev/null", "--chdir=/tmp")


def time_orders(stage: SlurmStage, count: int, spec: RunSpec) -> float:
    """Return the seconds from the first of `count` quotes asked for until the last run has ended."""
    began_s = time.monotonic()

    def order(_: int) -> str:
        quote = stage.engineer.quotes.create(spec=spec)
        return stage.engineer.orders.place(quote_id=quote.quote_id).run_id

    with ThreadPoolExecutor(3) as pool:  # so many quotes may live at a time
        runs = list(pool.map(order, range(count)))
    placed_s = time.monotonic() - began_s
    print(f"{'all placed':<34}{placed_s:>9.2f} s")
    for run_id in runs:
        wait_until(partial(has_ended, stage, run_id), within_s=WITHIN_S, every_s=WATCH_EVERY_S)
    return time.monotonic() - began_s


def time_sbatches(site: Site, count: int, spec: RunSpec) -> float:
    """Return the seconds from the first of `count` calls of sbatch until no job is left."""
    began_s = time.monotonic()
    options = ("--parsable", *PLAIN, f"--cpus-per-task={spec.resources.cores}")
    for _ in range(count):
        site.cluster.run("sbatch", *options, user=site.users[0], stdin=f"#!/bin/sh\n{spec.command}\n")
    wait_until(lambda: not site.cluster.run("squeue", "--noheader").strip(), within_s=WITHIN_S, every_s=WATCH_EVERY_S)
    return time.monotonic() - began_s


def compare(title: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return both medians of alternating rounds."""
    figures = [(ours(), theirs()) for _ in range(rounds)]
    mine, plain = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"{title:<34}{mine:>9.2f} s{plain:>12.2f} s", flush=True)
    return mine, plain


def compare_bulk(stage: SlurmStage, site: Site, count: int, spec: RunSpec, *, title: str) -> None:
    """Print how long both take for `count` jobs, how many that is a second, and the ratio of these rates."""
    mine, plain = compare(
        f"{count} jobs {title}", lambda: time_orders(stage, count, spec), lambda: time_sbatches(site, count, spec), 1
    )
    print(f"{'jobs/s':<34}{count / mine:>9.2f}  {count / plain:>12.2f}   ratio {plain / mine:.2f}", flush=True)


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
        print(f"{'':<34}{'Lilong':>11}{'sbatch':>14}")
        mine, plain = compare(
            f"order to running, {ROUNDS} each",
            lambda: time_order(stage),
            lambda: time_sbatch(site, Path(marks)),
            ROUNDS,
        )
        print(f"{'added':<34}{mine - plain:>9.2f} s")
        compare_bulk(stage, site, jobs, make_spec("true"), title="that end at once")
        long = make_spec(f"sleep {LONG_S}", cores=LONG_CORES)
        compare_bulk(stage, site, LONG_JOBS, long, title=f"of {LONG_S} s that fill it")


if __name__ == "__main__":
    main()
