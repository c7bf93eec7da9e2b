"""What an inventory says of one kind of offer: how much there is, how much is free, the largest job that fits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.core.starts import Starts
from lilong.protocol.messages import Inventory, NodeInventory


@dataclass(frozen=True, slots=True)
class Lot:
    """What offers of one pool share: the same pieces of the same machines."""

    pool_id: str
    accelerator: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Gang:
    """A job of equal ranks that could start now: so many nodes with so many units on each."""

    nodes: int
    units_per_node: int

    @property
    def units(self) -> int:
        """All units together."""
        return self.nodes * self.units_per_node


@dataclass(frozen=True, slots=True)
class Stock:
    """Units of one lot as its pool reported last; None where nobody knows. start: of one unit, for an hour."""

    total: int | None = None
    free: int | None = None
    gang: Gang | None = None
    start: Starts = Starts.UNKNOWN


NO_GANG = Gang(nodes=0, units_per_node=0)


def count_stocks(*, inventory: Inventory, lots: Iterable[Lot]) -> dict[Lot, Stock]:
    """Return what a pool's inventory has of each of its lots; one unit starts now if a gang of one fits.

    Every node is read once an accelerator, however many lots there are of it.
    """
    healthy = [node for node in inventory.nodes if node.healthy]
    rests = [(node.cores_free, node.memory_mib_free) for node in healthy]
    free: dict[str, list[int]] = {}
    total: dict[str, int] = {}
    stocks: dict[Lot, Stock] = {}
    for lot in lots:
        kind, shape = lot.accelerator, lot.shape
        if kind not in free:
            free[kind] = [_count_on(node, kind)[1] for node in healthy]
            total[kind] = sum(_count_on(node, kind)[0] for node in inventory.nodes)
        rooms = [min(cores // shape.cores, memory // shape.memory_mib) for cores, memory in rests]
        if shape.unit is Unit.ACCELERATOR:
            rooms = list(map(min, rooms, free[kind]))
        gang = find_largest_gang(rooms=rooms if inventory.capabilities.gang else [max(rooms, default=0)])
        start = Starts.NOW if gang.units else Starts.UNKNOWN
        stocks[lot] = Stock(total=total[kind], free=sum(free[kind]), gang=gang, start=start)
    return stocks


def find_largest_gang(*, rooms: Sequence[int]) -> Gang:
    """Return the job of most units that could start now. rooms: how many whole units each node has free.

    Ranks are equal, so nodes with more room than the least of them lend only as much; of jobs of equal size that on
    fewer nodes is named. Cost: n log n in nodes.

    >>> find_largest_gang(rooms=[8, 3, 3]), find_largest_gang(rooms=[8, 4])
    (Gang(nodes=3, units_per_node=3), Gang(nodes=1, units_per_node=8))
    """
    ranked = enumerate(sorted(rooms, reverse=True), start=1)
    units, fewer, room = max(((number * room, -number, room) for number, room in ranked), default=(0, 0, 0))
    return Gang(nodes=-fewer, units_per_node=room) if units else NO_GANG


def _count_on(node: NodeInventory, accelerator: str) -> tuple[int, int]:
    """Return how many cores, or accelerators of that kind, a node has and how many are free."""
    if not accelerator:
        return node.cores_total, node.cores_free
    kinds = [kind for kind in node.accelerators if kind.accelerator == accelerator]
    return sum(kind.total for kind in kinds), sum(kind.free for kind in kinds)
