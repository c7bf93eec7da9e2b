"""Fifty buyers at once on the vouchers of one programme: `python -m tests.bench.vouchers [ORDERS EACH]`.

Over HTTP to one web process on PostgreSQL as it comes: every commit is synced. First fifty organisations, for whose
vouchers the programme's budget of the year does not reach; then fifty people of one organisation on one voucher. All
want more than caps of the year allow. A watcher reads what is held and used again and again while they buy.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from tests.postgresql import running_cluster

BUYERS = 50
ORDERS_EACH = 8


def main() -> None:
    """Print a row for each of the two; the last line sums them up. Ends with an error if a limit was exceeded."""
    each = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS_EACH
    heads = ("orders/s", "p50", "p99", "quote p50", "p99")
    print(f"{f'{BUYERS} buyers, {each} orders each':<34}" + "".join(f"{head:>12}" for head in heads))
    found = [measure(ways, orders_each=each) for ways in ("organisations", "people")]
    for one in found:
        times = [one[name] for name in ("place_p50_s", "place_p99_s", "quote_p50_s", "quote_p99_s")]
        print(f"{one['title']:<34}{one['orders_per_s']:>12.1f}" + "".join(f"{time_s:>10.3f} s" for time_s in times))
        for line in one["told"]:
            print(f"  {line}")
    spread, one = found
    print(
        f"{BUYERS} buyers on one programme: {spread['orders_per_s']:.1f} orders/s, placing p50 "
        f"{spread['place_p50_s'] * 1000:.0f} ms, p99 {spread['place_p99_s'] * 1000:.0f} ms; on one voucher "
        f"{one['orders_per_s']:.1f} orders/s, p99 {one['place_p99_s'] * 1000:.0f} ms; never above a limit in "
        f"{spread['looks'] + one['looks']:,} looks, and nobody refused while there was money"
    )


def measure(ways: str, *, orders_each: int) -> dict[str, Any]:
    """Measure on a fresh hub, in a process of its own, since Django is set up once."""
    with tempfile.TemporaryDirectory() as folder, running_cluster(settings={}) as cluster:
        environment = os.environ | {
            "LILONG_HOME": folder,
            "LILONG_DATABASE_URL": cluster.database_url(name="postgres"),
        }
        script = f"from tests.bench.vouchers import measure_here; measure_here({ways!r}, {orders_each})"
        done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_here(ways: str, orders_each: int) -> None:
    """Make a fresh hub's tables and print the measures as JSON."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    bench = import_module("tests.bench._vouchers")  # needs Django to be set up
    print(json.dumps(bench.measure(ways, home=Path(os.environ["LILONG_HOME"]), buyers=BUYERS, orders_each=orders_each)))


if __name__ == "__main__":
    main()
