"""The Merkle tree of a transparency log (RFC 6962, RFC 9162 section 2.1): growing it, proving from it, checking proofs.

A tree is kept as the hashes of its complete subtrees, numbered in the order in which they become complete: an
append-only array that never changes behind its end. A proof reads O(log n) of them, and so does growing by a batch.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

HASH_BYTES = 32


def hash_leaf(leaf: bytes) -> bytes:
    """Return the hash of one leaf.

    >>> hash_leaf(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + leaf).digest()


def hash_children(left: bytes, right: bytes, /) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def count_stored(*, size: int) -> int:
    """Return how many hashes a tree of `size` leaves keeps: fewer than two for each leaf.

    >>> count_stored(size=4), count_stored(size=5)
    (7, 8)
    """
    return 2 * size - size.bit_count()


def position_of(*, level: int, index: int) -> int:
    """Return the position of the complete subtree over leaves `index << level` to `(index + 1) << level`.

    >>> [position_of(level=0, index=leaf) for leaf in range(4)], position_of(level=2, index=0)
    ([0, 1, 3, 4], 6)
    """
    return count_stored(size=((index + 1) << level) - 1) + level


def list_peaks(*, start: int, end: int) -> tuple[int, ...]:
    """Return the positions of the fewest complete subtrees that cover leaves `start` to `end`, from left to right.

    `start` must be a border of the tree over the first `end` leaves. Cost: O(log n).

    >>> list_peaks(start=0, end=5)
    (6, 7)
    """
    peaks: list[int] = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        peaks.append(position_of(level=level, index=start >> level))
        start += 1 << level
    return tuple(peaks)


def join_peaks(peaks: Sequence[bytes], /) -> bytes:
    """Return the root over the subtrees whose hashes stand in `peaks`, from left to right.

    >>> join_peaks([]).hex()[:16]
    'e3b0c44298fc1c14'
    """
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = hash_children(peak, root)
    return root


@dataclass(frozen=True, slots=True)
class Growth:
    """What new leaves add: `hashes` in the order of their positions, and the grown tree's size and peaks."""

    hashes: tuple[bytes, ...]
    size: int
    peaks: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """The root of the grown tree."""
        return join_peaks(self.peaks)


def grow_tree(*, size: int, peaks: Sequence[bytes], leaves: Iterable[bytes]) -> Growth:
    r"""Append leaf hashes to the tree of `size` leaves whose `peaks` stand at `list_peaks(start=0, end=size)`.

    `Growth.hashes` go to positions `count_stored(size=size)` and up. Cost: linear in `leaves`.

    >>> grown = grow_tree(size=0, peaks=(), leaves=[hash_leaf(b""), hash_leaf(b"\x00")])
    >>> grown.size, len(grown.hashes), grown.root.hex()[:16]
    (2, 3, 'fac54203e7cc696c')
    """
    stack = list(peaks)
    added: list[bytes] = []
    for leaf in leaves:
        node = leaf
        added.append(node)
        complete = size
        while complete & 1:
            node = hash_children(stack.pop(), node)
            added.append(node)
            complete >>= 1
        stack.append(node)
        size += 1
    return Growth(hashes=tuple(added), size=size, peaks=tuple(stack))


@dataclass(frozen=True, slots=True)
class ProofPlan:
    """Which stored hashes make a proof: for each of its elements the peaks that join to it."""

    elements: tuple[tuple[int, ...], ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """Every position to read: at most two for each level of the tree."""
        return tuple(position for element in self.elements for position in element)

    def assemble(self, hashes: Mapping[int, bytes]) -> tuple[bytes, ...]:
        """Return the proof, given the stored hashes by position."""
        return tuple(join_peaks([hashes[position] for position in element]) for element in self.elements)


def plan_inclusion(*, index: int, size: int) -> ProofPlan:
    """Plan the proof that leaf `index` is in the tree over the first `size` leaves (RFC 9162, section 2.1.3.1).

    >>> plan_inclusion(index=0, size=3).elements
    ((1,), (3,))
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    start, end = 0, size
    elements: list[tuple[int, ...]] = []
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            elements.append(list_peaks(start=middle, end=end))
            end = middle
        else:
            elements.append(list_peaks(start=start, end=middle))
            start = middle
    return ProofPlan(elements=tuple(reversed(elements)))


def plan_consistency(*, old_size: int, new_size: int) -> ProofPlan:
    """Plan the proof that the tree of `old_size` leaves is the beginning of the newer one (RFC 9162, section 2.1.4.1).

    >>> plan_consistency(old_size=2, new_size=3).elements
    ((3,),)
    """
    if not 0 < old_size <= new_size:
        raise ValueError(f"No proof leads from {old_size} to {new_size} leaves.")
    start, end = 0, new_size
    elements: list[tuple[int, ...]] = []
    while end != old_size:
        middle = _split(start, end)
        if old_size <= middle:
            elements.append(list_peaks(start=middle, end=end))
            end = middle
        else:
            elements.append(list_peaks(start=start, end=middle))
            start = middle
    if start:
        elements.append(list_peaks(start=start, end=end))
    return ProofPlan(elements=tuple(reversed(elements)))


def is_included(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether `proof` shows leaf hash `leaf` at `index` under `root` (RFC 9162, section 2.1.3.2).

    >>> is_included(leaf=hash_leaf(b""), index=0, size=1, proof=[], root=hash_leaf(b""))
    True
    """
    if not 0 <= index < size:
        return False
    place, last = index, size - 1
    node = leaf
    for sibling in proof:
        if not last:
            return False
        if place & 1 or place == last:
            node = hash_children(sibling, node)
            place, last = _skip_lone_levels(place, last)
        else:
            node = hash_children(node, sibling)
        place, last = place >> 1, last >> 1
    return not last and node == root


def is_consistent(*, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether `proof` shows that the old tree is the beginning of the new (RFC 9162, section 2.1.4.2).

    Equal sizes need equal roots and an empty proof. An empty old tree proves nothing and is refused.

    >>> is_consistent(old_size=1, old_root=b"a", new_size=1, new_root=b"b", proof=[])
    False
    """
    if old_size == new_size:
        return old_size > 0 and old_root == new_root and not proof
    if not 0 < old_size < new_size:
        return False
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            old_node = hash_children(sibling, old_node)
            new_node = hash_children(sibling, new_node)
            place, last = _skip_lone_levels(place, last)
        else:
            new_node = hash_children(new_node, sibling)
        place, last = place >> 1, last >> 1
    return not last and old_node == old_root and new_node == new_root


def _split(start: int, end: int) -> int:
    """Return where RFC 9162 parts a tree: after the largest power of two of leaves that leaves some over."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _skip_lone_levels(place: int, last: int) -> tuple[int, int]:
    """Rise past the levels on which a node at the right edge has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last
