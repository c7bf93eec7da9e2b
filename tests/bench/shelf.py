"""Searching the shelf over HTTP: `python -m tests.bench.shelf [OFFERS …]`, else 1,000, 10,000 and 100,000.

One member with three vouchers asks a web process, as it is served, one search after the other: other fields, orders and
pages each time, with facets, and with prices as the vouchers leave them. Meanwhile every twentieth request follows a
change of a price, and each second a fifth of the pools' agents have reported. The shelf is synthetic.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command

OFFERS = (1_000, 10_000, 100_000)


def main() -> None:
    """Print a line per size, in milliseconds from the first byte of a request to the last of its answer."""
    if "LILONG_HOME" in os.environ:
        print(json.dumps(measure_here(offers=int(sys.argv[1]))))
        return
    print(f"{'offers':>9}{'median':>9}{'p99':>9}{'worst':>9}{'server':>9}{'first':>9}{'memory':>11}")
    line = ""
    for offers in [int(argument) for argument in sys.argv[1:]] or OFFERS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.bench.shelf", str(offers)]
            environment = os.environ | {"LILONG_HOME": folder}
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        figures = json.loads(done.stdout)
        print(
            f"{offers:>9,}{figures['median']:>9.1f}{figures['p99']:>9.1f}{figures['worst']:>9.1f}"
            f"{figures['cpu_ms']:>9.1f}{figures['first']:>9.0f}{figures['memory_mib']:>7.0f} MiB",
            flush=True,
        )
        line = f"p99 {figures['p99']:.1f} ms at {offers} offers"
    print("server: processor time of the web process a request; first: the request that reads the whole shelf")
    print(line)


def measure_here(*, offers: int) -> dict[str, float]:
    """Return what a hub in this process's home needed."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    bench = import_module("tests.bench._shelf")  # needs Django to be set up
    began_s = time.monotonic()
    figures: dict[str, float] = bench.measure(home=Path(os.environ["LILONG_HOME"]), offers=offers)
    return figures | {"took_s": time.monotonic() - began_s}


if __name__ == "__main__":
    main()
