"""Reading the tree: stored hashes, roots and proofs."""

from collections.abc import Iterable

from lilong.common.errors import InputInvalid
from lilong.common.sentences import say
from lilong.foundation.record.models import POSITION_BITS, Log, Node
from lilong.protocol.transparency import ProofPlan, join_peaks, list_peaks, plan_consistency, plan_inclusion


class PlaceInvalid(InputInvalid):
    """There is no such leaf or size in the published log."""

    code = "record.place_invalid"
    title = "The published log does not reach there"
    next_step = "Read the head first: indexes lie below its size, and an older size lies above zero."


def read_hashes(*, log: Log, positions: Iterable[int]) -> dict[int, bytes]:
    """Return stored hashes by position. One query."""
    base = log.number << POSITION_BITS
    found = Node.objects.filter(pk__in=[base | position for position in positions]).values_list("id", "hash")
    return {key - base: bytes(node) for key, node in found}


def read_peaks(*, log: Log, size: int) -> list[bytes]:
    """Return the hashes of the complete subtrees under the head of `size` leaves, from left to right."""
    positions = list_peaks(start=0, end=size)
    hashes = read_hashes(log=log, positions=positions)
    return [hashes[position] for position in positions]


def get_root(*, log: Log, size: int) -> bytes:
    """Return the root over the first `size` leaves."""
    return join_peaks(read_peaks(log=log, size=size))


def prove_inclusion(*, log: Log, index: int, size: int) -> tuple[bytes, ...]:
    """Prove that leaf `index` is under the head of `size` leaves; raises PlaceInvalid. One query, O(log n) rows."""
    if not 0 <= index < size <= log.size:
        raise PlaceInvalid(detail=say("The log has {size} leaves.", size=log.size))
    return _assemble(log, plan_inclusion(index=index, size=size))


def prove_consistency(*, log: Log, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """Prove that the head of `new_size` continues that of `old_size`; raises PlaceInvalid. One query, O(log n) rows."""
    if not 0 < old_size <= new_size <= log.size:
        raise PlaceInvalid(detail=say("The log has {size} leaves.", size=log.size))
    return _assemble(log, plan_consistency(old_size=old_size, new_size=new_size))


def _assemble(log: Log, plan: ProofPlan) -> tuple[bytes, ...]:
    return plan.assemble(read_hashes(log=log, positions=plan.positions))
