"""What one sync of a pool with 1,000 live attempts costs the hub, on both databases: `sync.py [LIVE [ROUNDS]]`."""

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command

from tests.postgresql import PostgresqlMissing, running_cluster


def main() -> None:
    """Print a line per database: wall time of one sync, of reading it alone, processor time of both, queries."""
    arguments = [int(argument) for argument in sys.argv[1:]]
    live, rounds = [*arguments, *(1_000, 10)[len(arguments) :]]
    if "LILONG_HOME" in os.environ:
        print(json.dumps(measure_here(live, rounds)))
        return
    title = f"{live:,} live attempts, {rounds} syncs"
    print(f"{title:<32}{'median':>10}{'worst':>10}{'reading':>10}{'processor':>11}{'queries':>9}")
    with tempfile.TemporaryDirectory() as folder:
        show("SQLite", measure(Path(folder), url="", live=live, rounds=rounds))
        try:
            with running_cluster(settings={}) as cluster:
                subprocess.run([sys.executable, "-c", CREATE, cluster.database_url(name="postgres")], check=True)
                url = cluster.database_url(name="bench")
                show("PostgreSQL", measure(Path(folder), url=url, live=live, rounds=rounds))
        except PostgresqlMissing as missing:
            print(missing)


CREATE = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute('CREATE DATABASE bench')"


def measure(folder: Path, *, url: str, live: int, rounds: int) -> dict[str, float]:
    """Return what a hub in a process of its own measured."""
    environment = os.environ | {"LILONG_HOME": str(folder), "LILONG_DATABASE_URL": url}
    command = [sys.executable, "-m", "tests.bench.sync", str(live), str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_here(live: int, rounds: int) -> dict[str, float]:
    """Make a hub in the home folder and measure it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    figures: dict[str, float] = import_module("tests.bench._sync").measure(live=live, rounds=rounds)
    return figures


def show(name: str, figures: dict[str, float]) -> None:
    """Print one line."""
    title = f"{name} ({figures['kib']:.0f} KiB a sync)"
    times = "".join(f"{figures[part]:>7.0f} ms" for part in ("median", "worst", "reading"))
    print(f"{title:<32}{times}{figures['cpu']:>8.0f} ms{figures['queries']:>9.0f}")


if __name__ == "__main__":
    main()
