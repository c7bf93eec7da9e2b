"""What an inventory says of one kind of offer: how much there is, how much is free, the largest job that fits."""

from dataclasses import dataclass

from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.core.starts import Starts
from lilong.protocol.messages import Inventory, NodeInventory


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


def count_stock(*, inventory: Inventory, shape: Shape, accelerator: str) -> Stock:
    """Return what the inventory has of an offer of this shape, and that one unit starts now if a gang of one fits."""
    counts = [_count_on(node, accelerator) for node in inventory.nodes]
    gang = find_largest_gang(inventory=inventory, shape=shape, accelerator=accelerator)
    return Stock(
        total=sum(total for total, _ in counts),
        free=sum(free for _, free in counts),
        gang=gang,
        start=Starts.NOW if gang.units else Starts.UNKNOWN,
    )


def find_largest_gang(*, inventory: Inventory, shape: Shape, accelerator: str) -> Gang:
    """Return the job of most units that every node's free accelerators, cores and memory let start now.

    Ranks are equal, so nodes with more room than the least of them lend only as much; of jobs of equal size that on
    fewer nodes is named. A pool that starts no gangs gives one node. Cost: n log n in nodes.
    """
    rooms = sorted((_count_room(node, shape, accelerator) for node in inventory.nodes if node.healthy), reverse=True)
    if not inventory.capabilities.gang:
        rooms = rooms[:1]
    gangs = [Gang(nodes=number, units_per_node=room) for number, room in enumerate(rooms, start=1) if room]
    return max(gangs, key=lambda gang: (gang.units, -gang.nodes), default=NO_GANG)


def _count_room(node: NodeInventory, shape: Shape, accelerator: str) -> int:
    """Return how many whole units a node has free."""
    most = min(node.cores_free // shape.cores, node.memory_mib_free // shape.memory_mib)
    return most if shape.unit is Unit.CORE else min(most, _count_on(node, accelerator)[1])


def _count_on(node: NodeInventory, accelerator: str) -> tuple[int, int]:
    """Return how many cores, or accelerators of that kind, a node has and how many are free."""
    kinds = [kind for kind in node.accelerators if kind.accelerator == accelerator]
    total = sum(kind.total for kind in kinds) if accelerator else node.cores_total
    free = sum(kind.free for kind in kinds) if accelerator else node.cores_free
    return total, free if node.healthy else 0
