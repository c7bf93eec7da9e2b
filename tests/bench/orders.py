"""Orders per second through the HTTP API of one web process: each a quote and its order, by eight buyers at once.

`python -m tests.bench.orders [sqlite|postgresql]`, both when none is named.
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

from tests.postgresql import running_cluster

BUYERS = 8
SECONDS = 10.0


def main() -> None:
    """Print orders/s and the waits of a buyer per database."""
    print(f"{f'{BUYERS} buyers, {SECONDS:g} s':<24}{'orders/s':>12}{'p50':>12}{'p95':>12}")
    for kind in sys.argv[1:] or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory() as folder:
            if kind == "sqlite":
                found = run_child(Path(folder), database_url=f"sqlite:///{folder}/hub.sqlite3")
            else:
                with running_cluster(settings={}) as cluster:  # as it comes: every commit is synced
                    found = run_child(Path(folder), database_url=cluster.database_url(name="postgres"))
        print(f"{kind:<24}{found['orders_per_s']:>12.1f}{found['p50_s']:>10.3f} s{found['p95_s']:>10.3f} s", flush=True)


def run_child(folder: Path, *, database_url: str) -> dict[str, float]:
    """Measure in a process of its own, since Django is set up once."""
    environment = os.environ | {"LILONG_HOME": str(folder), "LILONG_DATABASE_URL": database_url}
    command = [sys.executable, "-c", "from tests.bench.orders import measure_here; measure_here()"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_here() -> None:
    """Make a fresh hub's tables and print the measures as JSON."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    measures = import_module("tests.bench._orders").measure(
        home=Path(os.environ["LILONG_HOME"]), buyers=BUYERS, seconds=SECONDS
    )
    print(json.dumps(measures))


if __name__ == "__main__":
    main()
