"""Verify the signed reports of the job wrappers: one HMAC chain per rank, under the attempt's report key.

A chain proves order and completeness, not an honest provider: the agent makes the key. See `billing.py` for the rest.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lilong.protocol.messages import ReportKind, SignedReport

FIRST_MAC = "0" * 64


@dataclass(frozen=True, slots=True)
class RankChain:
    """What is verified of one rank: the next sequence, the last mac and what the last report says.

    broken: a report did not fit its mac or went backwards; nothing after it counts.
    """

    next_sequence: int = 0
    mac: str = FIRST_MAC
    elapsed_ms: int = 0
    checkpoint_ms: int = 0
    ended: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """What all ranks together prove: milliseconds since the last rank's start, and up to the newest checkpoint."""

    elapsed_ms: int
    checkpoint_ms: int


def sign_report(*, key: bytes, nonce: str, attempt_id: str, report: SignedReport, previous_mac: str) -> str:
    """Return the mac that `report` must carry after one with `previous_mac`.

    >>> report = SignedReport(rank=0, sequence=0, kind=ReportKind.START, elapsed_ms=0, mac=FIRST_MAC)
    >>> sign_report(key=b"k", nonce="n", attempt_id="att_1", report=report, previous_mac=FIRST_MAC)[:8]
    'a77e48eb'
    """
    parts = (
        *(nonce, attempt_id, report.rank, report.sequence, report.kind.value),
        *(report.elapsed_ms, report.checkpoint_ms, previous_mac),
    )
    return hmac.new(key, "\n".join(map(str, parts)).encode(), hashlib.sha256).hexdigest()


def extend_chains(
    chains: Mapping[int, RankChain],
    reports: Sequence[SignedReport],
    *,
    key: bytes,
    nonce: str,
    attempt_id: str,
    nodes: int,
) -> dict[int, RankChain]:
    """Return `chains` grown by all reports that continue them; old ones and those behind a gap are passed over.

    Reports of ranks that the attempt does not have are ignored. Cost: one HMAC for each new report.
    """
    grown = dict(chains)
    for report in reports:
        chain = grown.get(report.rank, RankChain())
        if report.rank >= nodes or chain.broken or report.sequence != chain.next_sequence:
            continue
        mac = sign_report(key=key, nonce=nonce, attempt_id=attempt_id, report=report, previous_mac=chain.mac)
        if hmac.compare_digest(mac, report.mac) and _continues(chain, report):
            grown[report.rank] = RankChain(
                next_sequence=report.sequence + 1,
                mac=mac,
                elapsed_ms=report.elapsed_ms,
                checkpoint_ms=report.checkpoint_ms,
                ended=report.kind is ReportKind.END,
            )
        else:
            grown[report.rank] = replace(chain, broken=True)
    return grown


def read_chains(chains: Mapping[int, RankChain], *, nodes: int) -> Reported:
    """Return what the chains of all ranks prove together: a gang counts while every rank runs.

    >>> read_chains({0: RankChain(elapsed_ms=900), 1: RankChain(elapsed_ms=700)}, nodes=2)
    Reported(elapsed_ms=700, checkpoint_ms=0)
    """
    of_ranks = [chains.get(rank, RankChain()) for rank in range(nodes)]
    elapsed_ms = min(chain.elapsed_ms for chain in of_ranks)
    return Reported(
        elapsed_ms=elapsed_ms, checkpoint_ms=min(elapsed_ms, max(chain.checkpoint_ms for chain in of_ranks))
    )


def is_complete(chains: Mapping[int, RankChain], *, counts: Mapping[int, int], nodes: int) -> bool:
    """Return whether every report that the agent says it holds was read, or can never be read.

    >>> is_complete({0: RankChain(next_sequence=3)}, counts={0: 4}, nodes=1)
    False
    """
    return all(
        chains.get(rank, RankChain()).next_sequence >= count or chains.get(rank, RankChain()).broken
        for rank, count in counts.items()
        if rank < nodes
    )


def _continues(chain: RankChain, report: SignedReport) -> bool:
    """Return whether a report may follow: one start first, no step back, nothing after the end."""
    return (
        (report.kind is ReportKind.START) == (report.sequence == 0)
        and not chain.ended
        and report.elapsed_ms >= chain.elapsed_ms
        and chain.checkpoint_ms <= report.checkpoint_ms <= report.elapsed_ms
    )
