"""Which cores and how much memory are free, and where the ranks of a job go. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from lilong.protocol.messages import NodeInventory
from lilong.protocol.spec import Resources


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the machine: the numbers of its cores and its memory."""

    name: str
    cores: tuple[int, ...]
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one rank: its node, the cores it may use, and its memory."""

    node: str
    cores: tuple[int, ...]
    memory_mib: int


def split_machine(*, name: str, cores: Sequence[int], memory_mib: int, nodes: int) -> tuple[Node, ...]:
    """Return the machine as `nodes` equal nodes, so that a gang has somewhere to run on a single machine.

    >>> [node.cores for node in split_machine(name="here", cores=[0, 1, 2, 3], memory_mib=4096, nodes=2)]
    [(0, 1), (2, 3)]
    """
    share = max(1, len(cores) // nodes)
    return tuple(
        Node(
            name=name if nodes == 1 else f"{name}-{number}",
            cores=tuple(cores[number * share : (number + 1) * share]),
            memory_mib=memory_mib // nodes,
        )
        for number in range(nodes)
    )


def find_seats(
    *, nodes: Sequence[Node], taken: Sequence[Seat], wanted: Resources, ranks: int
) -> tuple[Seat, ...] | None:
    """Return a seat for every rank, one on each of so many nodes, or None while there is no room for all.

    >>> here = Node(name="here", cores=(0, 1), memory_mib=2048)
    >>> find_seats(nodes=[here], taken=[], wanted=Resources(cores=1, memory_mib=512), ranks=1)
    (Seat(node='here', cores=(0,), memory_mib=512),)
    """
    seats: list[Seat] = []
    for node in nodes:
        cores, memory_mib = _free(node, taken=taken)
        if len(seats) < ranks and len(cores) >= wanted.cores and memory_mib >= wanted.memory_mib:
            seats.append(Seat(node=node.name, cores=cores[: wanted.cores], memory_mib=wanted.memory_mib))
    return tuple(seats) if len(seats) == ranks else None


def describe_nodes(*, nodes: Sequence[Node], taken: Sequence[Seat]) -> tuple[NodeInventory, ...]:
    """Return every node with what is free on it."""
    described: list[NodeInventory] = []
    for node in nodes:
        cores, memory_mib = _free(node, taken=taken)
        described.append(
            NodeInventory(
                name=node.name,
                cores_total=len(node.cores),
                cores_free=len(cores),
                memory_mib_total=node.memory_mib,
                memory_mib_free=memory_mib,
            )
        )
    return tuple(described)


def _free(node: Node, *, taken: Sequence[Seat]) -> tuple[tuple[int, ...], int]:
    here = [seat for seat in taken if seat.node == node.name]
    busy = {core for seat in here for core in seat.cores}
    free_mib = node.memory_mib - sum(seat.memory_mib for seat in here)
    return tuple(core for core in node.cores if core not in busy), max(0, free_mib)
