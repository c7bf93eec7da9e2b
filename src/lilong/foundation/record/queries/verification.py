"""Recomputing the whole record from its tables: what `lilong record verify` says."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lilong.common.errors import LilongError
from lilong.foundation.record.models import POSITION_BITS, Cosignature, Entry, Head, Log, Node
from lilong.foundation.record.queries.heads import count_required, get_key_ring
from lilong.protocol.checkpoint import KeyKind, list_signers, parse_checkpoint, parse_note
from lilong.protocol.evidence import KeyRing, commit_payload
from lilong.protocol.transparency import Growth, count_stored, grow_tree

CHUNK = 5_000
PROBLEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was recomputed. witnessed: leaves of the open log under a head that enough witnesses cosigned."""

    logs: int
    entries: int
    erased: int
    heads: int
    witnessed: int
    problems: Sequence[str]


@dataclass(slots=True)
class _Findings:
    entries: int = 0
    erased: int = 0
    heads: int = 0
    witnessed: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def verify() -> VerifyReport:
    """Recompute every commitment, hash, head and signature; at most 100 problems are named. Cost: linear in entries."""
    ring, findings = get_key_ring(), _Findings()
    logs = list(Log.objects.order_by("number"))
    for log in logs:
        _verify_log(log, ring, findings)
    return VerifyReport(
        logs=len(logs),
        entries=findings.entries,
        erased=findings.erased,
        heads=findings.heads,
        witnessed=findings.witnessed,
        problems=tuple(findings.problems),
    )


def _verify_log(log: Log, ring: KeyRing, findings: _Findings) -> None:
    heads = {head.size: head for head in Head.objects.filter(log=log).order_by("size")}
    grown = Growth(hashes=(), size=0, peaks=())
    for end in sorted({*heads, log.size, *range(CHUNK, log.size, CHUNK)}):
        leaves = list(_list_leaf_hashes(log, grown.size, end, findings))
        start = grown.size
        grown = grow_tree(size=start, peaks=grown.peaks, leaves=leaves)
        if len(leaves) != end - start:
            findings.add(f"{log.origin}: of the leaves {start} to {end} only {len(leaves)} are there.")
            return
        if _read_stored(log, start, end) != list(grown.hashes):
            findings.add(f"{log.origin}: a stored hash of the leaves {start} to {end} is another than recomputed.")
        if end in heads:
            _verify_head(heads[end], grown, ring, findings)
    if log.size and log.size not in heads:
        findings.add(f"{log.origin}: no head is signed over its {log.size} leaves.")


def _list_leaf_hashes(log: Log, start: int, end: int, findings: _Findings) -> Iterator[bytes]:
    entries = Entry.objects.filter(log=log, index__gte=start, index__lt=end).select_related("payload")
    for entry in entries.order_by("index").iterator(chunk_size=CHUNK):
        findings.entries += 1
        payload = getattr(entry, "payload", None)
        if payload is None:
            findings.erased += 1
        elif commit_payload(payload=json.loads(payload.content), key=bytes(payload.key)) != entry.commitment:
            findings.add(f"{entry.id}: the payload is not the one that was committed to.")
        yield entry.leaf.hash


def _read_stored(log: Log, start: int, end: int) -> list[bytes]:
    base = log.number << POSITION_BITS
    first, last = base | count_stored(size=start), base | count_stored(size=end)
    found = Node.objects.filter(pk__gte=first, pk__lt=last).order_by("pk").values_list("hash", flat=True)
    return [bytes(node) for node in found]


def _verify_head(head: Head, grown: Growth, ring: KeyRing, findings: _Findings) -> None:
    findings.heads += 1
    name = f"{head.log.origin}, head of {head.size} leaves"
    try:
        lines = Cosignature.objects.filter(head=head).order_by("pk").values_list("line", flat=True)
        note = parse_note(head.note + "".join(lines))
        checkpoint = parse_checkpoint(note.body)
        signers = list_signers(note=note, keys=[*ring.logs, *ring.witnesses])
    except LilongError as error:
        findings.add(f"{name}: {error}")
        return
    if (checkpoint.origin, checkpoint.size, checkpoint.root) != (head.log.origin, grown.size, grown.root):
        findings.add(f"{name}: it was signed over something else.")
    if not any(key.kind is KeyKind.LOG and key.name == head.log.origin for key in signers):
        findings.add(f"{name}: no key of the hub signed it.")
    if head.log.is_open and sum(key.kind is KeyKind.WITNESS for key in signers) >= count_required():
        findings.witnessed = head.size
