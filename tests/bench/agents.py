"""Many agents at once against a hub as it is served: `python -m tests.bench.agents [AGENTS …]`, else 50, 100 and 200.

Each has 100 live attempts, all running, and syncs every 5 s over HTTP what a real agent would tell: the job wrappers
report every 5 s, too, so all 100 make progress between two syncs, and a sync tells of a quarter and names the rest as
unchanged. Each size has a hub of its own: one web process, one worker, PostgreSQL as it comes (every commit is synced),
and one process that plays the agents, all on this machine.
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

from tests.postgresql import PostgresqlMissing, running_cluster

SIZES = (50, 100, 200)
LIVE = 100
PERIOD_S = 5
WARM_UP_PERIODS = 3
PERIODS = 4
PERIODS_OF_LARGEST = 12
CREATE = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"
COLUMNS = (
    ("agents", "agents", "{:.0f}"),
    ("wanted/s", "wanted_per_s", "{:.1f}"),
    ("reached/s", "reached_per_s", "{:.1f}"),
    ("on time", "on_time", "{:.1%}"),
    ("median", "median_ms", "{:.0f} ms"),
    ("p95", "p95_ms", "{:.0f} ms"),
    ("worst", "worst_ms", "{:.0f} ms"),
    ("web", "web_ms", "{:.1f} ms"),
    ("database", "database_ms", "{:.1f} ms"),
    ("web", "web_cores", "{:.2f}"),
    ("worker", "worker_cores", "{:.2f}"),
    ("database", "database_cores", "{:.2f}"),
    ("agents", "load_cores", "{:.2f}"),
    ("others", "others_cores", "{:.2f}"),
    ("load", "load_average", "{:.1f}"),
)


def main() -> None:
    """Print a line per size.

    on time: syncs that began within their period, of all that were due. web, database: processor time of one sync. web
    to others: cores kept busy, others being what this bench did not start. load: the load average at the end.
    """
    sizes = [int(argument) for argument in sys.argv[1:]] or SIZES
    print(f"{LIVE} live attempts each, a sync every {PERIOD_S} s, {os.cpu_count()} cores")
    print(f"{'syncs':>40}{'latency':>30}{'processor':>20}{'cores':>50}{'machine':>10}")
    print("".join(f"{title:>10}" for title, _, _ in COLUMNS))
    try:
        with running_cluster(settings={}) as cluster:
            for agents in sizes:
                name = f"agents_{agents}"
                create = [
                    sys.executable,
                    "-c",
                    CREATE,
                    cluster.database_url(name="postgres"),
                    f"CREATE DATABASE {name}",
                ]
                subprocess.run(create, check=True)
                periods = PERIODS_OF_LARGEST if agents == max(sizes) else PERIODS
                figures = measure(database_url=cluster.database_url(name=name), agents=agents, periods=periods)
                print("".join(f"{shape.format(figures[key]):>10}" for _, key, shape in COLUMNS), flush=True)
    except PostgresqlMissing as missing:
        print(missing)


def measure(*, database_url: str, agents: int, periods: int) -> dict[str, float]:
    """Return what a process of its own measured, since Django is set up once."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "LILONG_HOME": folder,
            "LILONG_DATABASE_URL": database_url,
            "LILONG_AGENT_INTERVAL_S": str(PERIOD_S),
            "LILONG_LOG_LEVEL": "warning",
        }
        here = f"from tests.bench.agents import measure_here; measure_here(agents={agents}, periods={periods})"
        command = [sys.executable, "-c", here]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure_here(*, agents: int, periods: int) -> None:
    """Make a fresh hub's tables and print the measures as JSON."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    figures = import_module("tests.bench._agents").measure(
        home=Path(os.environ["LILONG_HOME"]),
        agents=agents,
        live=LIVE,
        period_s=PERIOD_S,
        warm_up_periods=WARM_UP_PERIODS,
        periods=periods,
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
