"""Waits of a real cluster, which do not come with Lilong.

LILONG_TEST_TRACES names a folder that holds `openb/openb_pod_list_default.csv`: Alibaba's cluster-trace-gpu-v2023,
8,152 tasks of 149 days on 6,212 GPUs, each with the second in which it was created and, if ever, scheduled (Weng et
al., USENIX ATC '23; hkust-adsl/kubernetes-scheduler-simulator, Apache-2.0).
"""

import csv
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lilong.foundation.runs.core.estimates import PastWait

BEGINNING = datetime(2023, 1, 1, tzinfo=UTC)
"""The trace counts seconds from some moment that it does not tell; this one is made up."""


def find_trace() -> Path | None:
    """Return the file of the trace; None where it is absent."""
    folder = os.environ.get("LILONG_TEST_TRACES")
    path = Path(folder, "openb", "openb_pod_list_default.csv") if folder else None
    return path if path and path.is_file() else None


def read_waits(path: Path) -> list[PastWait]:
    """Return every task's wait in the order in which they came; their owners called off those never scheduled."""
    with path.open(encoding="utf-8", newline="") as file:
        waits = [_read(row) for row in csv.DictReader(file)]
    return sorted(waits, key=lambda wait: wait.came_at)


def _read(row: dict[str, str]) -> PastWait:
    scheduled = row["scheduled_time"]
    return PastWait(
        came_at=BEGINNING + timedelta(seconds=float(row["creation_time"])),
        left_at=BEGINNING + timedelta(seconds=float(scheduled or row["deletion_time"])),
        began=bool(scheduled),
        accelerators=int(row["num_gpu"]),
        called_off=not scheduled,
    )
