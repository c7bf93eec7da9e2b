"""What queue and accounting tell of one job."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lilong.agent.engines.slurm.parsing import QueueRow, Segment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = NOON + timedelta(seconds=100)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def make_row(state, *, reason="None", nodes=("n1",), **changed):
    fields: dict[str, Any] = {"job_id": 7, "uid": 1000, "partition": "main", "elapsed_s": 90, "name": "lilong"}
    moments = {"submitted_at": at(-60), "started_at": NOON, "ended_at": at(100)}
    return QueueRow(**(fields | moments | {"state": state, "reason": reason, "nodes": nodes} | changed))


def make_segment(state, *, started_at=NOON, ended_at=END, nodes=("n1",), **changed):
    fields = {"job_id": 7, "cancelled_by": None, "uid": 1000, "partition": "main", "exit_code": 0, "exit_signal": 0}
    fields |= {"submitted_at": at(-60), "elapsed_s": 100, "suspended_s": 0, "name": "lilong", "state": state}
    return Segment(**(fields | {"started_at": started_at, "ended_at": ended_at, "nodes": nodes} | changed))
