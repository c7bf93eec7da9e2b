"""Hold+settle pairs per second on PostgreSQL, beside django-hordak and beside pgbench's TPC-B on the same server.

A pair of ours: a pend, then a settle and a post to the provider in one group (the settle gives the rest back): two
calls, each committed by itself, or fifty pairs in each call. A pair of django-hordak: hold, pay and refund, three
transfers, each committed by itself; also measured with two (hold and pay). Same number of accounts, same number of
clients, server with its default durability. Each figure is the median of alternating rounds, after one that warms up.
Spread: any wallet pays; hot: one programme pays all.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.postgresql import SUPERUSER, Cluster, find_programs, running_cluster

ROUNDS = 5
SECONDS = 2
CLIENTS = 4
ACCOUNTS = 500
BATCH = 50
PGBENCH_SCALE = {"spread": 10, "hot": 1}  # all clients of scale 1 update the one row of its one branch
HERE = Path(__file__).parent


class Crew:
    """Worker processes that make pairs when they are told to."""

    def __init__(self, stack: ExitStack, command: list[str], environment: dict[str, str]) -> None:
        prepared = [*command, "prepare", str(ACCOUNTS)]
        subprocess.run(prepared, env=environment, check=True)
        self._workers = [
            stack.enter_context(
                subprocess.Popen(
                    command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
                )
            )
            for _ in range(CLIENTS)
        ]
        stack.callback(self._dismiss)

    def measure(self, way: str) -> float:
        """Return pairs per second of all workers together."""
        for worker in self._workers:
            assert worker.stdin
            worker.stdin.write(f"{way} {SECONDS}\n")
        counts = []
        for worker in self._workers:
            assert worker.stdout
            counts.append(int(worker.stdout.readline()))
        return sum(counts) / SECONDS

    def _dismiss(self) -> None:
        for worker in self._workers:
            assert worker.stdin
            worker.stdin.close()


def start_ledger(stack: ExitStack, cluster: Cluster, folder: str) -> Crew:
    """Return workers with Lilong's ledger."""
    create_database(cluster, "ledger")
    environment = {
        **os.environ,
        "LILONG_HOME": folder,
        "LILONG_DATABASE_URL": cluster.database_url(name="ledger"),
    }
    return Crew(stack, [sys.executable, "-m", "tests.bench._ledger_pairs"], environment)


def start_hordak(stack: ExitStack, cluster: Cluster, folder: str) -> Crew:
    """Return workers with django-hordak, in an environment that is made for it."""
    uv, python = [sys.executable, "-m", "uv"], f"{folder}/hordak/bin/python"
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, f"{folder}/hordak"], check=True)
    wanted = ["django-hordak>=2,<3", "psycopg[binary]>=3.2"]
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *wanted], check=True)
    create_database(cluster, "hordak")
    environment = {**os.environ, "BENCH_DATABASE_URL": cluster.database_url(name="hordak")}
    return Crew(stack, [python, str(HERE / "_hordak_pairs.py")], environment)


def create_database(cluster: Cluster, name: str) -> None:
    """Make an empty database."""
    run_program(cluster, "createdb", name)


def prepare_pgbench(cluster: Cluster) -> None:
    """Make pgbench's tables, one database a way."""
    for way, scale in PGBENCH_SCALE.items():
        create_database(cluster, f"pgbench_{way}")
        run_program(cluster, "pgbench", "-q", "-i", "-s", str(scale), f"pgbench_{way}")


def measure_pgbench(cluster: Cluster, way: str) -> float:
    """Return transactions per second of TPC-B with as many clients."""
    clients = ("-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS))
    said = run_program(cluster, "pgbench", *clients, f"pgbench_{way}")
    found = re.search(r"tps = ([\d.]+)", said)
    assert found, said
    return float(found[1])


def run_program(cluster: Cluster, name: str, *arguments: str) -> str:
    """Run a program of PostgreSQL against the cluster and return what it says."""
    port = cluster.server_url.rpartition(":")[2]
    where = ("-h", "127.0.0.1", "-p", port, "-U", SUPERUSER)
    program = find_programs() / name
    return subprocess.run([program, *where, *arguments], check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Print the medians and their ratios."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lilong-bench-"))
        cluster = stack.enter_context(running_cluster(settings={"shared_buffers": "256MB"}))
        prepare_pgbench(cluster)
        ledger, hordak = start_ledger(stack, cluster, folder), start_hordak(stack, cluster, folder)
        for way in PGBENCH_SCALE:  # once unmeasured, so that plans rest on tables as they will be
            for crew, measured in ((ledger, BATCH), (ledger, 1), (hordak, 3)):
                crew.measure(f"{way}-{measured}")
        run_program(cluster, "vacuumdb", "--all", "--analyze-only", "--quiet")
        print(f"{CLIENTS} clients, {ACCOUNTS} wallets, median of {ROUNDS} rounds of {SECONDS} s; pairs or TPC-B per s")
        heads = ("ledger", f"in {BATCH}s", "hordak 3", "hordak 2", "TPC-B")
        ratios = ("x hordak 3", "x hordak 2", "x TPC-B", f"{BATCH}s x TPC-B")
        print(f"{'':<8}" + "".join(f"{head:>13}" for head in (*heads, *ratios)))
        for way in PGBENCH_SCALE:
            rounds = [
                (
                    ledger.measure(f"{way}-1"),
                    hordak.measure(f"{way}-3"),
                    measure_pgbench(cluster, way),
                    hordak.measure(f"{way}-2"),
                    ledger.measure(f"{way}-{BATCH}"),
                )
                for _ in range(ROUNDS)
            ]
            ours, three, tpcb, two, batched = (statistics.median(column) for column in zip(*rounds, strict=True))
            figures = "".join(f"{figure:>13.0f}" for figure in (ours, batched, three, two, tpcb))
            shares = "".join(f"{share:>13.2f}" for share in (ours / three, ours / two, ours / tpcb, batched / tpcb))
            print(f"{way:<8}{figures}{shares}", flush=True)


if __name__ == "__main__":
    main()
