"""What one sync costs the hub on both databases: `python -m tests.bench.sync [LIVE TOLD]`.

A pool with 1,000 live attempts of which all are told; and with 10,000 and 100 that all make progress, of which an agent
tells some in turn and names the rest as unchanged. See agents.py for many agents at once.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command

from lilong.agent.telling import limit_progress
from tests.postgresql import PostgresqlMissing, running_cluster


def main() -> None:
    """Print a line per database: wall time of one sync, of reading it alone, processor time of both, queries."""
    arguments = [int(argument) for argument in sys.argv[1:]]
    if "LILONG_HOME" in os.environ:
        print(json.dumps(measure_here(*arguments)))
        return
    for live, told in [(arguments[0], arguments[1])] if arguments else CASES:
        compare(live, told)


def compare(live: int, told: int) -> None:
    """Print a table of one case."""
    title = f"{live:,} live, {told:,} told"
    print(f"{title:<32}{'median':>10}{'worst':>10}{'reading':>10}{'processor':>11}{'queries':>9}")
    with tempfile.TemporaryDirectory() as folder:
        show("SQLite", measure(Path(folder), url="", live=live, told=told))
        try:
            with running_cluster(settings={}) as cluster:
                subprocess.run([sys.executable, "-c", CREATE, cluster.database_url(name="postgres")], check=True)
                url = cluster.database_url(name="bench")
                show("PostgreSQL", measure(Path(folder), url=url, live=live, told=told))
        except PostgresqlMissing as missing:
            print(missing)


ROUNDS = 10
CASES = ((1_000, 1_000), *((live, limit_progress(progressed=live)) for live in (10_000, 100)))
CREATE = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute('CREATE DATABASE bench')"


def measure(folder: Path, *, url: str, live: int, told: int) -> dict[str, float]:
    """Return what a hub in a process of its own measured."""
    environment = os.environ | {"LILONG_HOME": str(folder), "LILONG_DATABASE_URL": url}
    command = [sys.executable, "-m", "tests.bench.sync", str(live), str(told)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_here(live: int, told: int) -> dict[str, float]:
    """Make a hub in the home folder and measure it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    figures: dict[str, float] = import_module("tests.bench._sync").measure(live=live, told=told, rounds=ROUNDS)
    return figures


def show(name: str, figures: dict[str, float]) -> None:
    """Print one line."""
    title = f"{name} ({figures['kib']:.0f} KiB a sync)"
    times = "".join(f"{figures[part]:>7.0f} ms" for part in ("median", "worst", "reading"))
    print(f"{title:<32}{times}{figures['cpu']:>8.0f} ms{figures['queries']:>9.0f}")


if __name__ == "__main__":
    main()
