"""What tests of measurements share: the real program, run on this machine with matrices small enough for a test."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from lilong.platforms.supermarket.core.measuring.figures import MICRO
from lilong.platforms.supermarket.core.measuring.method import Plan
from lilong.platforms.supermarket.models import Figure, Measurement, Offer
from lilong.platforms.supermarket.services.measuring import load_program
from lilong.platforms.supermarket.services.shelf import turn_edition

SMALL = Plan(nonce="5e" * 32, accelerated=False, size=64, buffer_mib=1, disk_mib=4, repetitions=3, threads=1)
PAIR = replace(SMALL, nodes=2, exchange_mib=3)


def run_program(*, folder: Path, plan: Plan = SMALL) -> bytes:
    """Run the program as a job does, in a folder of its own, and return its report."""
    (folder / "measure.py").write_bytes(load_program())
    words = plan.write_command().split()
    subprocess.run([sys.executable, *words[1:]], cwd=folder, check=True, capture_output=True, timeout=120)
    return (folder / "report.json").read_bytes()


def run_pair(
    *,
    folder: Path,
    plan: Plan = PAIR,
    present: Collection[int] = (0, 1),
    wait_s: float = 120,
    first: Callable[[Path], None] = lambda _: None,
) -> bytes:
    """Run the program as two nodes do, which share a folder and reach each other over TCP; return the report.

    present: ranks that start at all; wait_s: how long they wait for each other; first: what happens once the first
    node listens and the second is not there yet, with the folder of their rendezvous.
    """
    rendezvous = folder / "rendezvous"
    rendezvous.mkdir()
    program = load_program().replace(b"PEER_WAIT_S = 120", f"PEER_WAIT_S = {wait_s}".encode())
    (folder / "measure.py").write_bytes(program)
    words = [sys.executable, *plan.write_command().split()[1:]]
    shared = {**os.environ, "LILONG_RENDEZVOUS_DIR": str(rendezvous)}
    started = []
    for rank in present:
        ours = {**shared, "LILONG_RANK": str(rank)}
        started.append(subprocess.Popen(words, cwd=folder, env=ours, stdout=subprocess.DEVNULL))
        if rank == 0:
            first(rendezvous)
    ends = [process.wait(timeout=120) for process in started]
    if any(ends):
        raise AssertionError(f"The nodes ended with {ends}.")
    return (folder / "report.json").read_bytes()


@transaction.atomic
def note_measurement(*, offer_id: str, order_id: str, now: datetime) -> None:
    """Put figures beside an offer, as if that order had measured them: made-up ones, one of which drifted."""
    row = Measurement.objects.create(
        id=f"mea_{order_id}",
        offer_id=offer_id,
        order_id=order_id,
        nonce=hashlib.sha256(order_id.encode()).hexdigest(),
        parameters={},
        ordered_at=now,
        checked_at=now,
        findings={"not_measured": {"gemm_fp64": "numpy is not installed"}, "machine": {}},
    )
    spreads = {"gemm_bf16": (712, 698, 731), "memory": (2_840, 2_795, 2_866), "tokens": (114, 94, 161)}
    for metric, (middle, lowest, highest) in spreads.items():
        Figure.objects.create(
            id=f"fig_{metric}_{order_id}",
            measurement=row,
            offer_id=offer_id,
            metric=metric,
            micro=middle * MICRO,
            lowest=lowest * MICRO,
            highest=highest * MICRO,
            count=5,
            drifted=metric == "tokens",
            measured_at=now,
            is_newest=True,
        )
    Offer.objects.filter(id=offer_id).update(edition=turn_edition())


def with_nonce(nonce: str) -> Plan:
    """Return the small plan with another nonce."""
    return replace(SMALL, nonce=nonce)


def seal(report: dict[str, Any]) -> bytes:
    """Return a report with the digest that fits what it says, as a forger would."""
    bare = {name: value for name, value in report.items() if name != "sha256"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return json.dumps({**bare, "sha256": hashlib.sha256(text.encode()).hexdigest()}).encode()


def speed_up(content: bytes, *, factor: float) -> bytes:
    """Return a report whose every time is shorter, or longer, by this factor."""
    report = json.loads(content)
    for result in report["measured"].values():
        result["spent_ns"] = [max(int(spent / factor), 1) for spent in result["spent_ns"]]
    return seal(report)


def forge_rows(report: dict[str, Any]) -> None:
    """Commit to products that nobody computed, and open them as honestly as anybody could."""
    result = report["measured"]["gemm_fp32"]
    row = bytes(4 * SMALL.size)
    digests = base64.b64encode(hashlib.sha256(row).digest()[:16] * SMALL.size).decode()
    result["proof"] = {
        "commitments": [digests] * SMALL.repetitions,
        "rows": [[base64.b64encode(row).decode()] * 4] * SMALL.repetitions,
    }
