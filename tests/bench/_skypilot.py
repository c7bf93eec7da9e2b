"""SkyPilot's half of the bench of optimisers. Run alone, in an environment of its own, with a home of its own.

Argument: a file with requests. Prints as JSON what its optimiser picks for each, and how long that took. No cloud is
asked anything: its optimiser gets its clouds from the check of accounts, which says here that there is one in each.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import sky  # type: ignore[import-not-found] # in an environment of its own
from sky import check, exceptions
from sky.optimizer import Optimizer  # type: ignore[import-not-found] # in an environment of its own
from sky.utils import registry  # type: ignore[import-not-found] # in an environment of its own

MICRO = 1_000_000


def main() -> None:
    """Pick for every request, after one that reads the catalogue."""
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    enabled = [registry.CLOUD_REGISTRY.from_str(name) for name in told["clouds"]]
    check.get_cached_enabled_clouds_or_refresh = lambda *_, **__: enabled
    requests = told["requests"]
    first_ms = pick(requests[0])[1]
    began_s = time.process_time()
    found = [pick(request) for request in requests]
    figures = {
        "version": sky.__version__,
        "picks": [picked for picked, _ in found],
        "first_ms": first_ms,
        "median_ms": statistics.median(took_ms for _, took_ms in found),
        "cpu_ms": (time.process_time() - began_s) * 1000 / len(found),
    }
    print(json.dumps(figures))


def pick(request: dict[str, Any]) -> tuple[dict[str, Any] | None, float]:
    """Return the machines that are picked with their cost an hour, None for none, and the milliseconds that took.

    Only the optimiser is timed, not the making of the task that it is given.
    """
    with sky.Dag() as dag:
        task = sky.Task(num_nodes=request["nodes"])
        task.set_resources({describe(request, name) for name in request["sky_names"]})
    starts_s = time.perf_counter()
    try:
        Optimizer.optimize(dag, quiet=True)
    except exceptions.ResourcesUnavailableError:
        return None, (time.perf_counter() - starts_s) * 1000
    took_ms = (time.perf_counter() - starts_s) * 1000
    best = task.best_resources
    cost_uc = round(best.get_cost(3600) * request["nodes"] * MICRO)
    return {"cost_uc": cost_uc, "place": f"{best.region} {best.instance_type}"}, took_ms


def describe(request: dict[str, Any], name: str) -> Any:
    """Return what SkyPilot is asked for. Its numbers are of a whole machine."""
    count = request["count"]
    return sky.Resources(
        cloud=registry.CLOUD_REGISTRY.from_str(request["cloud"]) if request["cloud"] else None,
        accelerators={name: count},
        cpus=f"{request['cores'] * count}+" if request["cores"] else None,
        memory=f"{request['memory_gib'] * count}+" if request["memory_gib"] else None,
    )


if __name__ == "__main__":
    main()
