"""Our cheapest offer beside what SkyPilot's optimiser picks, on one synthetic catalogue: 1,000 random requests.

`python -m tests.bench.optimiser [REQUESTS]`. SkyPilot and DuckDB have an environment of their own in
`.cache/optimiser`, made once; the bench itself asks no network. Ours is the search that the page and the API of the
shelf use; quotes, which also sign, reserve and record, are measured beside it, and the bare query on DuckDB and on
SQLite with indexes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from tests.bench._catalogue import (
    CLOUDS,
    SEED,
    SIZES,
    Request,
    dump,
    make_offers,
    make_requests,
    name_accelerators,
    write_skypilot_catalogue,
)

REQUESTS, QUOTES = 1_000, 100
WANTED = ("skypilot==0.14.1", "duckdb==2.0.1")
CACHE = Path(".cache/optimiser")
HERE = Path(__file__).parent
CATALOGUE_FORM = "v8"
COST_THE_SAME, FOUND_BY_NEITHER = "cost the same", "found by neither"
NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def main() -> None:
    """Print what each picks and needs, and every kind of difference; the last line sums it up."""
    if "LILONG_HOME" in os.environ:
        print(json.dumps(measure_here(requests=int(sys.argv[1]))))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    offers, requests = make_offers(), make_requests(count=count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home, hub = folder / "sky", folder / "hub"
        hub.mkdir()
        machines = write_skypilot_catalogue(offers=offers, folder=home / ".sky" / "catalogs" / CATALOGUE_FORM)
        told = folder / "told.json"
        told.write_text(
            json.dumps({"clouds": CLOUDS, "offers": dump(offers), "requests": dump(requests)}), encoding="utf-8"
        )
        regions = len({offer.region for offer in offers})
        print(
            f"synthetic, seed {SEED}: {len(offers):,} offers of {len(name_accelerators())} accelerators in {regions} "
            f"regions of {len(CLOUDS)} clouds; for SkyPilot as {machines:,} machines of {SIZES}; {count:,} requests",
            flush=True,
        )
        python = prepare_environment()
        databases = run([python, str(HERE / "_databases.py"), str(told)])
        ours = run([sys.executable, "-m", "tests.bench.optimiser", str(count)], LILONG_HOME=str(hub))
        its = run([python, str(HERE / "_skypilot.py"), str(told)], HOME=str(home), **NO_NETWORK)
    report(requests, ours=ours, its=its, databases=databases)


def prepare_environment() -> str:
    """Return the interpreter of the environment with SkyPilot and DuckDB; make it when it is not there."""
    python = CACHE / "bin" / "python"
    done = CACHE / "wanted.json"
    if not done.exists() or json.loads(done.read_text(encoding="utf-8")) != list(WANTED):
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(CACHE)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *WANTED], check=True)
        done.write_text(json.dumps(WANTED), encoding="utf-8")
    return str(python)


def run(command: Sequence[str], **environment: str) -> dict[str, Any]:
    """Return what a program prints as the last line: JSON."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_here(*, requests: int) -> dict[str, Any]:
    """Return what a fresh hub in this process's home picks and needs."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    bench = import_module("tests.bench._optimiser")  # needs Django to be set up
    found: dict[str, Any] = bench.measure(offers=make_offers(), requests=make_requests(count=requests), quotes=QUOTES)
    return found


@dataclass(frozen=True, slots=True)
class Pair:
    """What was picked for one request here and by SkyPilot: cost, place and units, None for nothing."""

    request: Request
    mine: dict[str, Any] | None
    its: dict[str, Any] | None

    @property
    def kind(self) -> str:
        """How the two differ, if they do."""
        if self.mine is None or self.its is None:
            found = "found by SkyPilot alone" if self.its else "found here alone"
            return FOUND_BY_NEITHER if self.mine == self.its else f"{found}{self._say_units()}"
        mine_uc, its_uc = self.mine["cost_uc"], self.its["cost_uc"]
        if mine_uc == its_uc:
            return COST_THE_SAME
        return "dearer here" if mine_uc > its_uc else f"cheaper here{self._say_units()}"

    @property
    def agrees(self) -> bool:
        """Whether both cost the same, or nothing is found by either."""
        return self.kind in {COST_THE_SAME, FOUND_BY_NEITHER}

    def _say_units(self) -> str:
        units = (self.mine or {}).get("units", 0)
        is_more = units > self.request.count * self.request.nodes
        return (
            ": more units of an offer of too small a shape, as SkyPilot never takes a larger machine" if is_more else ""
        )


def report(
    requests: Sequence[Request], *, ours: dict[str, Any], its: dict[str, Any], databases: dict[str, Any]
) -> None:
    """Print the comparison."""
    searched = [Pair(*each) for each in zip(requests, ours["picks"], its["picks"], strict=True)]
    quoted = [Pair(requests[int(number)], pick, its["picks"][int(number)]) for number, pick in ours["quoted"].items()]
    explain("search", searched)
    explain("quote", quoted)
    for name in ("duckdb", "sqlite"):
        costs_uc = [pair.its and pair.its["cost_uc"] for pair in searched]
        same = sum(left == right for left, right in zip(databases[name]["costs_uc"], costs_uc, strict=True))
        version, median_ms = databases[f"{name}_version"], databases[name]["median_ms"]
        print(f"bare query on {name} {version}: {same:,} of {len(searched):,} cost the same, median {median_ms:.3f} ms")
    print(f"quote: median {ours['quote_ms']:.1f} ms of {len(quoted)}, with signature, reservation and record")
    print(
        f"first request, which reads the catalogue: ours {ours['first_ms']:.0f} ms, SkyPilot {its['first_ms']:.0f} ms"
    )
    print("ours: a search from its text to its page, with facets, vouchers and a look at the pools, in process")
    print(f"SkyPilot {its['version']}: Optimizer.optimize of a task that is made already, in process")
    cpu_ratio = its["cpu_ms"] / ours["cpu_ms"]
    print(
        f"mean processor time, which other work on the machine changes little: ours {ours['cpu_ms']:.1f} ms, "
        f"SkyPilot {its['cpu_ms']:.1f} ms with the making of the task, ratio {cpu_ratio:.0f}×"
    )
    agreement = f"{sum(pair.agrees for pair in searched) / len(searched) * 100:.1f} %"
    mine_ms, its_ms = ours["median_ms"], its["median_ms"]
    print(f"agreement {agreement}, ours {mine_ms:.1f} ms, SkyPilot {its_ms:.1f} ms, ratio {its_ms / mine_ms:.0f}×")


def explain(what: str, pairs: Sequence[Pair]) -> None:
    """Print how many picks cost the same, and each kind of difference with how often and an example."""
    print(f"{what}, of {len(pairs):,} requests:")
    for kind, times in Counter(pair.kind for pair in pairs).most_common():
        first = next(pair for pair in pairs if pair.kind == kind)
        such = "" if first.agrees else f"; such as {first.request}: {first.mine} beside {first.its}"
        print(f"  {times:>6,} {kind}{such}")


if __name__ == "__main__":
    main()
