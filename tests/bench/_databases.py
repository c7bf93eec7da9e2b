"""The same query on DuckDB and on indexed SQLite, for the bench of optimisers. Run alone, in the bench's environment.

Argument: a file with offers and requests. Prints the cost of each pick and the median in milliseconds as JSON.
"""

import json
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb  # type: ignore[import-not-found] # it is in the bench's own environment

COLUMNS = ("number", "cloud", "sky_name", "cores", "memory_gib", "hour_uc")
TABLE = (
    "CREATE TABLE offers (number INTEGER, cloud TEXT, sky_name TEXT, cores INTEGER, memory_gib INTEGER, hour_uc BIGINT)"
)
INDEXES = (
    "CREATE INDEX by_price ON offers (sky_name, hour_uc)",
    "CREATE INDEX by_cloud ON offers (sky_name, cloud, hour_uc)",
)
Ask = Callable[[str, Sequence[object]], tuple[int] | None]


def main() -> None:
    """Fill both, ask both."""
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [tuple(offer[column] for column in COLUMNS) for offer in told["offers"]]
    duck, lite = duckdb.connect(), sqlite3.connect(":memory:")
    for database in (duck, lite):
        database.execute(TABLE)
        database.executemany("INSERT INTO offers VALUES (?, ?, ?, ?, ?, ?)", rows)
    for index in INDEXES:
        lite.execute(index)
    lite.execute("ANALYZE")
    found = {
        "duckdb": measure(told["requests"], lambda query, values: duck.execute(query, values).fetchone()),
        "sqlite": measure(told["requests"], lambda query, values: lite.execute(query, values).fetchone()),
    }
    print(json.dumps(found | {"duckdb_version": duckdb.__version__, "sqlite_version": sqlite3.sqlite_version}))


def measure(requests: Sequence[dict[str, Any]], ask: Ask) -> dict[str, Any]:
    """Return what each request costs at the cheapest offer, None where there is none, and the median."""
    costs_uc, took_ms = [], []
    ask(*write_query(requests[0]))
    for request in requests:
        query, values = write_query(request)
        starts_s = time.perf_counter()
        found = ask(query, values)
        took_ms.append((time.perf_counter() - starts_s) * 1000)
        costs_uc.append(found[0] * request["count"] * request["nodes"] if found else None)
    return {"costs_uc": costs_uc, "median_ms": statistics.median(took_ms)}


def write_query(request: dict[str, Any]) -> tuple[str, list[object]]:
    """Return the query and its values."""
    names = request["sky_names"]
    conditions = [f"sky_name IN ({', '.join('?' * len(names))})", "cores >= ?", "memory_gib >= ?"]
    values = [*names, request["cores"], request["memory_gib"]]
    if request["cloud"]:
        conditions.append("cloud = ?")
        values.append(request["cloud"])
    return f"SELECT hour_uc FROM offers WHERE {' AND '.join(conditions)} ORDER BY hour_uc LIMIT 1", values  # noqa: S608 - no value is in it


if __name__ == "__main__":
    main()
