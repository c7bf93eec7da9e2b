"""The measured half of the record's bench; imported once Django is set up."""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from django.db import transaction

from lilong.common.ids import new_id
from lilong.foundation.record.models import POSITION_BITS, Entry, Log, Node
from lilong.foundation.record.public import append, seal
from lilong.foundation.record.queries.heads import find_open_log
from lilong.foundation.record.queries.trees import prove_consistency, prove_inclusion, read_peaks
from lilong.protocol.transparency import count_stored, grow_tree

CHUNK = 50_000
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def measure(*, leaves: int, rounds: int) -> dict[str, float]:
    """Fill the record of an empty hub, then append, seal and prove one by one; return rates per second."""
    seal(now=NOW)
    log = fill(leaves=leaves)
    chance = random.Random(7)
    places = [chance.randrange(1, leaves) for _ in range(rounds)]
    started_s = time.perf_counter()
    appended = rate(append_one, places)
    seal(now=NOW)
    sealed = rounds / (time.perf_counter() - started_s)
    return {
        "append": appended,
        "seal": sealed,
        "inclusion": rate(lambda place: prove_inclusion(log=log, index=place, size=leaves), places),
        "consistency": rate(lambda place: prove_consistency(log=log, old_size=place, new_size=leaves), places),
    }


def append_one(number: int) -> None:
    """Record one decision in a transaction of its own."""
    with transaction.atomic():
        append(kind="hub.override", subject_id=f"ord_{number}", payload={"amount_uc": number}, now=NOW)


def fill(*, leaves: int) -> Log:
    """Give the open log that many leaves, as sealing would, but in large steps and without payloads."""
    log = find_open_log()
    assert log is not None
    while log.size < leaves:
        with transaction.atomic():
            _fill_some(log, min(log.size + CHUNK, leaves))
    return log


def _fill_some(log: Log, size: int) -> None:
    entries = [
        Entry(
            id=new_id("rec"),
            kind="hub.override",
            recorded_at=NOW,
            subject_id=f"ord_{index}",
            commitment=f"{index:064x}",
            log=log,
            index=index,
        )
        for index in range(log.size, size)
    ]
    peaks = read_peaks(log=log, size=log.size)
    grown = grow_tree(size=log.size, peaks=peaks, leaves=[entry.leaf.hash for entry in entries])
    first = (log.number << POSITION_BITS) | count_stored(size=log.size)
    Entry.objects.bulk_create(entries)
    Node.objects.bulk_create(Node(id=first + place, hash=node) for place, node in enumerate(grown.hashes))
    log.size = size
    log.save()


def rate(act: Callable[[int], object], arguments: Sequence[int]) -> float:
    """Return how often per second `act` was done."""
    started_s = time.perf_counter()
    for argument in arguments:
        act(argument)
    return len(arguments) / (time.perf_counter() - started_s)
