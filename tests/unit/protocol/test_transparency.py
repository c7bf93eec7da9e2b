"""The vectors are those of Certificate Transparency's reference implementations for the tree of eight leaves."""

import pytest

from lilong.protocol.transparency import (
    count_stored,
    grow_tree,
    hash_leaf,
    is_consistent,
    is_included,
    join_peaks,
    list_peaks,
    plan_consistency,
    plan_inclusion,
    position_of,
)

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
CONSISTENCY: dict[tuple[int, int], tuple[str, ...]] = {
    (1, 1): (),
    (1, 8): INCLUSION[0, 8],
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
    (6, 7): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
STORED = dict(enumerate(grow_tree(size=0, peaks=(), leaves=map(hash_leaf, LEAVES)).hashes))


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_the_reference_root(size):
    peaks = [STORED[position] for position in list_peaks(start=0, end=size)]

    assert grow_tree(size=0, peaks=(), leaves=map(hash_leaf, LEAVES[:size])).root == ROOTS[size]
    assert join_peaks(peaks) == ROOTS[size]


@pytest.mark.parametrize(("place", "proof"), INCLUSION.items())
def test_a_proof_of_inclusion_is_the_reference_proof(place, proof):
    index, size = place

    built = plan_inclusion(index=index, size=size).assemble(STORED)

    assert tuple(node.hex() for node in built) == proof
    assert is_included(leaf=hash_leaf(LEAVES[index]), index=index, size=size, proof=built, root=ROOTS[size])


@pytest.mark.parametrize(("sizes", "proof"), CONSISTENCY.items())
def test_a_proof_of_consistency_is_the_reference_proof(sizes, proof):
    old_size, new_size = sizes

    built = plan_consistency(old_size=old_size, new_size=new_size).assemble(STORED)

    assert tuple(node.hex() for node in built) == proof
    assert is_consistent(
        old_size=old_size, old_root=ROOTS[old_size], new_size=new_size, new_root=ROOTS[new_size], proof=built
    )


def test_hashes_are_numbered_in_the_order_in_which_subtrees_become_complete():
    nodes = [(0, 0), (0, 1), (1, 0), (0, 2), (0, 3), (1, 1), (2, 0), (0, 4)]

    assert [position_of(level=level, index=index) for level, index in nodes] == list(range(8))
    assert [count_stored(size=size) for size in range(6)] == [0, 1, 3, 4, 7, 8]


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (0, 0), (1, 1), (8, 8)])
def test_a_leaf_outside_the_tree_has_no_proof(index, size):
    with pytest.raises(ValueError, match="has no leaf"):
        plan_inclusion(index=index, size=size)
    assert not is_included(leaf=ROOTS[1], index=index, size=size, proof=[], root=ROOTS[1])


@pytest.mark.parametrize(("old_size", "new_size"), [(0, 0), (0, 3), (2, 1), (-1, 1)])
def test_sizes_that_do_not_grow_from_something_have_no_proof(old_size, new_size):
    with pytest.raises(ValueError, match="No proof"):
        plan_consistency(old_size=old_size, new_size=new_size)
    assert not is_consistent(old_size=old_size, old_root=ROOTS[0], new_size=new_size, new_root=ROOTS[0], proof=[])
