"""The main pages on a hub after a large year: `python -m tests.bench.web [ORDERS …]`, else 21,000 and 210,000.

Twenty people are signed in and look around, each with one to three seconds between an answer and the next request. The
hub is one web process as it is served, on PostgreSQL as it comes; the twenty are played by a process on this machine.
The data is synthetic (`_big_hub`), made once and kept in `.cache/big-hub`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from tests.postgresql import FAST_AND_LOSSY, PostgresqlMissing, running_cluster

ORDERS = (21_000, 210_000)
ORDERS_PER_ORGANISATION = 500
SEED = 1
KEPT = Path(".cache/big-hub")
DATABASE = "hub"
FILLING = {**FAST_AND_LOSSY, "max_wal_size": "16GB", "autovacuum": "off"}
GOAL_MS, QUERIES_MAX = 200, 12
CREATE = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"
SIZES = ("organisations", "orders", "transfers", "entries")


def main() -> None:
    """Print a table per size: a line per page, all in milliseconds.

    server: from when the hub begins with a request until it has its answer. wait: the rest, in queues and on the way.
    whole: from the first byte of the request to the last of the answer.
    """
    try:
        for orders in [int(argument) for argument in sys.argv[1:]] or ORDERS:
            folder = prepare(orders=orders)
            with running_cluster(settings={}, keep=folder) as cluster:
                show(run_child("measure_here()", folder, database_url=cluster.database_url(name=DATABASE)))
    except PostgresqlMissing as missing:
        print(missing)


def prepare(*, orders: int) -> Path:
    """Return the folder of a hub with so many orders, made unless it is there from before."""
    folder = (KEPT / f"{orders}-{name_version()}").resolve()
    if (folder / "whole").exists():
        return folder
    for old in KEPT.glob(f"{orders}-*"):
        shutil.rmtree(old)
    print(f"{orders:,} orders are made; they are kept in {folder}", file=sys.stderr, flush=True)
    with running_cluster(settings=FILLING, keep=folder) as cluster:
        create = [sys.executable, "-c", CREATE, cluster.database_url(name="postgres"), f"CREATE DATABASE {DATABASE}"]
        subprocess.run(create, check=True)
        run_child(f"fill_here(orders={orders})", folder, database_url=cluster.database_url(name=DATABASE))
    (folder / "whole").touch()
    return folder


def name_version() -> str:
    """Return a digest of what the data is made by: the seed, the generator, and the tables."""
    digest = hashlib.sha256(f"{SEED} {ORDERS_PER_ORGANISATION}".encode())
    sources = [Path(__file__).with_name(f"_{name}.py") for name in ("big_hub", "big_year", "patterns")]
    for path in [*sources, *sorted(Path("src/lilong").glob("*/*/migrations/*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run_child(call: str, folder: Path, *, database_url: str) -> dict[str, Any]:
    """Call a function of this module in a process of its own, since Django is set up once."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = os.environ | {
        "LILONG_HOME": str(home),
        "LILONG_DATABASE_URL": database_url,
        "LILONG_HUB_NAME": "Synthetic hub",
    }
    command = [sys.executable, "-c", f"from tests.bench import web; web.{call}"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fill_here(*, orders: int) -> None:
    """Make a hub's tables and fill them."""
    _set_up()
    call_command("migrate", verbosity=0)
    organisations = orders // ORDERS_PER_ORGANISATION
    import_module("tests.bench._big_year").fill(organisations=organisations, orders=orders, seed=SEED)
    print("{}")


def measure_here() -> None:
    """Print the measures as JSON."""
    _set_up()
    print(json.dumps(import_module("tests.bench._web").measure(home=Path(os.environ["LILONG_HOME"]))))


def show(found: dict[str, Any]) -> None:
    """Print what was found at one size."""
    sizes, pages, cores, cpu_ms = (found[part] for part in ("sizes", "pages", "cores", "cpu_ms"))
    print(", ".join(f"{sizes[name]:,} {name}" for name in SIZES) + f", {sizes['mib'] / 1024:.1f} GiB of synthetic data")
    print(f"{'':<12}{'':>8}{'server':>16}{'wait':>16}{'whole':>16}")
    print(f"{'page':<12}{'n':>8}" + f"{'p50':>8}{'p95':>8}" * 3 + f"{'queries':>10}")
    for name, page in pages.items():
        times = "".join(f"{page[part][rank]:>8.0f}" for part in ("server", "wait", "whole") for rank in ("p50", "p95"))
        over = "" if page["whole"]["p95"] < GOAL_MS and page["queries"] <= QUERIES_MAX else "  over the goal"
        print(f"{name:<12}{page['n']:>8}{times}{page['queries']:>10}{over}")
    used = ", ".join(f"{name} {busy:.2f}" for name, busy in cores.items())
    worked = ", ".join(f"{name} {ms:.1f} ms" for name, ms in cpu_ms.items())
    print(f"{found['users']} users, {found['per_s']:.1f} requests/s; processor time of one request: {worked}")
    print(f"cores busy of {os.cpu_count()}: {used}\n", flush=True)


def _set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()


if __name__ == "__main__":
    main()
