"""The tree against a naive one that follows the recursive definitions of RFC 9162, section 2.1."""

import hashlib
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lilong.protocol.transparency import (
    count_stored,
    grow_tree,
    hash_leaf,
    is_consistent,
    is_included,
    list_peaks,
    plan_consistency,
    plan_inclusion,
)

SIZE_MAX = 300
LEAVES = [hash_leaf(number.to_bytes(2, "big")) for number in range(SIZE_MAX)]
STORED = dict(enumerate(grow_tree(size=0, peaks=(), leaves=LEAVES).hashes))

sizes = st.integers(1, SIZE_MAX)


@st.composite
def places(draw):
    size = draw(sizes)
    return draw(st.integers(0, size - 1)), size


@st.composite
def growths(draw):
    new_size = draw(sizes)
    return draw(st.integers(1, new_size)), new_size


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = naive_half(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def naive_half(size: int) -> int:
    half = 1
    while half * 2 < size:
        half *= 2
    return half


def naive_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    half = naive_half(len(leaves))
    if index < half:
        return [*naive_path(index, leaves[:half]), naive_root(leaves[half:])]
    return [*naive_path(index - half, leaves[half:]), naive_root(leaves[:half])]


def naive_growth(old_size: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [naive_root(leaves)]
    half = naive_half(len(leaves))
    if old_size <= half:
        return [*naive_growth(old_size, leaves[:half], whole=whole), naive_root(leaves[half:])]
    return [*naive_growth(old_size - half, leaves[half:], whole=False), naive_root(leaves[:half])]


@given(st.lists(st.integers(0, 40), max_size=8))
def test_growing_in_batches_gives_the_tree_of_all_leaves(batches):
    size = 0
    peaks: tuple[bytes, ...] = ()
    stored: list[bytes] = []
    for batch in batches:
        grown = grow_tree(size=size, peaks=peaks, leaves=LEAVES[size : min(size + batch, SIZE_MAX)])
        stored.extend(grown.hashes)
        size, peaks = grown.size, tuple(stored[position] for position in list_peaks(start=0, end=grown.size))
        assert peaks == grown.peaks
        assert grown.root == naive_root(LEAVES[:size])

    assert len(stored) == count_stored(size=size)
    assert all(STORED[position] == node for position, node in enumerate(stored))


@given(places())
def test_a_proof_of_inclusion_is_the_naive_path(place):
    index, size = place
    plan = plan_inclusion(index=index, size=size)

    proof = plan.assemble(STORED)

    assert list(proof) == naive_path(index, LEAVES[:size])
    assert len(plan.positions) <= 2 * size.bit_length()
    assert is_included(leaf=LEAVES[index], index=index, size=size, proof=proof, root=naive_root(LEAVES[:size]))


@given(growths())
def test_a_proof_of_consistency_is_the_naive_one(growth):
    old_size, new_size = growth
    plan = plan_consistency(old_size=old_size, new_size=new_size)

    proof = plan.assemble(STORED)

    assert list(proof) == naive_growth(old_size, LEAVES[:new_size])
    assert len(plan.positions) <= 2 * new_size.bit_length()
    assert is_consistent(
        old_size=old_size,
        old_root=naive_root(LEAVES[:old_size]),
        new_size=new_size,
        new_root=naive_root(LEAVES[:new_size]),
        proof=proof,
    )


@given(places(), st.data())
def test_a_proof_of_inclusion_holds_for_nothing_else(place, data):
    index, size = place
    root = naive_root(LEAVES[:size])
    proof = list(plan_inclusion(index=index, size=size).assemble(STORED))
    claim = {"leaf": LEAVES[index], "index": index, "size": size, "proof": proof, "root": root}
    other = data.draw(st.sampled_from(sorted(forgeries(claim, proof, data).items(), key=lambda item: item[0])))[1]

    assert not is_included(**{**claim, **other})


def forgeries(claim, proof, data):
    found = {
        "leaf": {"leaf": hash_leaf(b"other leaf")},
        "index": {"index": data.draw(st.integers(0, claim["size"] + 2).filter(lambda index: index != claim["index"]))},
        "root": {"root": hash_leaf(b"other root")},
        "longer": {"proof": [*proof, claim["root"]]},
    }
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        found["shorter"] = {"proof": proof[:-1]}
        found["changed"] = {"proof": [*proof[:place], hash_leaf(b"other node"), *proof[place + 1 :]]}
        found["inserted"] = {"proof": [*proof[:place], claim["leaf"], *proof[place:]]}
    return found


@given(growths(), st.data())
def test_a_proof_of_consistency_holds_for_no_other_history(growth, data):
    old_size, new_size = growth
    proof = list(plan_consistency(old_size=old_size, new_size=new_size).assemble(STORED))
    forked = [hash_leaf(b"another beginning"), *LEAVES[1:new_size]]
    claim = {
        "old_size": old_size,
        "old_root": naive_root(LEAVES[:old_size]),
        "new_size": new_size,
        "new_root": naive_root(LEAVES[:new_size]),
        "proof": proof,
    }
    others = [
        {"old_root": naive_root(forked[:old_size])},
        {"new_root": naive_root(forked)},
        {"proof": [*proof, claim["new_root"]]},
        {"proof": naive_growth(old_size, forked), "new_root": naive_root(forked)},
    ]

    assert not is_consistent(**{**claim, **data.draw(st.sampled_from(others))})
