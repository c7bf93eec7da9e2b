"""Our cheapest offer beside what SkyPilot's optimiser picks, on one synthetic catalogue: 1,000 random requests.

`python -m tests.bench.optimiser [REQUESTS]`. SkyPilot and DuckDB have an environment of their own in `.cache/optimiser`,
made once; the bench itself asks no network. Ours is the search that the page and the API of the shelf use; quotes, which
also sign, reserve and record, are measured beside it, and the bare query on DuckDB and on SQLite with indexes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
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
    found: dict[str, Any] = bench.measure(
        offers=make_offers(), requests=make_requests(count=requests), quotes=QUOTES
    )
    return found


def report(
    requests: Sequence[Request], *, ours: dict[str, Any], its: dict[str, Any], databases: dict[str, Any]
) -> None:
    """Print the comparison."""
    mine, theirs = [cost_of(pick) for pick in ours["picks"]], [cost_of(pick) for pick in its["picks"]]
    explain("search", mine, theirs, requests, ours["picks"], its["picks"])
    numbers = [int(number) for number in ours["quoted"]]
    quoted = list(ours["quoted"].values())
    explain(
        "quote",
        [cost_of(pick) for pick in quoted],
        [theirs[number] for number in numbers],
        [requests[number] for number in numbers],
        quoted,
        [its["picks"][number] for number in numbers],
    )
    for name in ("duckdb", "sqlite"):
        same = sum(left == right for left, right in zip(databases[name]["costs_uc"], theirs, strict=True))
        version, median_ms = databases[f"{name}_version"], databases[name]["median_ms"]
        print(f"{name} {version}: {same:,} of {len(theirs):,} cost the same, median {median_ms:.2f} ms")
    print(f"quote: median {ours['quote_ms']:.1f} ms of {len(quoted)}, with signature, reservation and record")
    print(f"first request, which reads the catalogue: ours {ours['first_ms']:.0f} ms, SkyPilot {its['first_ms']:.0f} ms")
    print(
        "ours: one search of the shelf from its text to its page, with facets, vouchers and the look at the pools, in "
        f"process; SkyPilot {its['version']}: Optimizer.optimize of a task that is made already, in process"
    )
    agreement = sum(left == right for left, right in zip(mine, theirs, strict=True)) / len(theirs)
    ratio = its["median_ms"] / ours["median_ms"]
    print(
        f"agreement {agreement:.1%}".replace("%", " %")
        + f", ours {ours['median_ms']:.1f} ms, SkyPilot {its['median_ms']:.1f} ms, ratio {ratio:.0f}×"
    )


def cost_of(pick: dict[str, Any] | None) -> int | None:
    """Return what a pick costs, None for none."""
    return None if pick is None else int(pick["cost_uc"])


def explain(
    what: str,
    mine: Sequence[int | None],
    theirs: Sequence[int | None],
    requests: Sequence[Request],
    picks: Sequence[dict[str, Any] | None],
    its_picks: Sequence[dict[str, Any] | None],
) -> None:
    """Print how many picks cost the same, and each kind of difference with how often and an example."""
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for left, right, request, pick, its_pick in zip(mine, theirs, requests, picks, its_picks, strict=True):
        kind = name_difference(left, right, request, pick)
        kinds[kind] += 1
        examples.setdefault(kind, f"{request}: {pick} beside {its_pick}")
    print(f"{what}, of {len(mine):,} requests:")
    for kind, times in kinds.most_common():
        print(f"  {times:>6,} {kind}" + ("" if kind in SAME else f"; such as {examples[kind]}"))


SAME = ("cost the same", "found by neither")


def name_difference(mine: int | None, its: int | None, request: Request, pick: dict[str, Any] | None) -> str:
    """Return how two picks differ."""
    if mine == its:
        return SAME[mine is None]
    units = pick.get("units") if pick else None
    if units and units > request.count * request.nodes:
        return "cheaper here: more units of an offer whose shape is too small, which SkyPilot does not consider"
    if mine is None or its is None:
        return "found by SkyPilot alone" if mine is None else "found here alone"
    return "dearer here" if mine > its else "cheaper here"


if __name__ == "__main__":
    main()
