"""Whether what an engine gave an attempt is what was ordered, as far as its own words can show.

Both the allocation and the inventory are words of the provider's agent: they show a mistake or a clumsy swap, never
that a machine is what it is said to be.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lilong.protocol.messages import Allocation, NodeInventory


@dataclass(frozen=True, slots=True)
class Ordered:
    """What each of so many nodes has to give: accelerators of one kind, by registry id."""

    accelerator: str = ""
    accelerators: int = 0
    nodes: int = 1


def find_allocation_problem(
    ordered: Ordered,
    *,
    allocated: Sequence[Allocation],
    node_names: Sequence[str],
    pool_nodes: Mapping[str, NodeInventory],
) -> str:
    """Return in one sentence why this is not what was ordered; empty where nothing shows it.

    allocated: empty where the engine does not say. node_names: where the attempt runs. pool_nodes: what the pool says
    it has, by name; a node that it does not list shows nothing.

    >>> ordered = Ordered(accelerator="h100-sxm5", accelerators=8)
    >>> given = Allocation(node="n1", accelerator="a100-sxm4-80gb", count=8)
    >>> find_allocation_problem(ordered, allocated=[given], node_names=["n1"], pool_nodes={})
    'Node n1 gave 0 of h100-sxm5 and 8 of a100-sxm4-80gb where 8 of h100-sxm5 were ordered.'
    """
    if not ordered.accelerators:
        return ""
    problems = [_find_on_node(ordered, node, allocated) for node in sorted({given.node for given in allocated})]
    if allocated and len({given.node for given in allocated}) < ordered.nodes:
        problems.append(f"Accelerators were given on fewer than the {ordered.nodes} nodes that were ordered.")
    problems += [_find_in_inventory(ordered, name, pool_nodes.get(name)) for name in sorted(set(node_names))]
    return next(filter(None, problems), "")


def _find_on_node(ordered: Ordered, node: str, allocated: Sequence[Allocation]) -> str:
    counts: Counter[str] = Counter({ordered.accelerator: 0})
    for given in allocated:
        counts[given.accelerator] += given.count if given.node == node else 0
    if counts[ordered.accelerator] >= ordered.accelerators:
        return ""
    told = " and ".join(f"{count} of {name}" for name, count in counts.items() if count or name == ordered.accelerator)
    return f"Node {node} gave {told} where {ordered.accelerators} of {ordered.accelerator} were ordered."


def _find_in_inventory(ordered: Ordered, name: str, node: NodeInventory | None) -> str:
    total = sum(kind.total for kind in node.accelerators if kind.accelerator == ordered.accelerator) if node else 0
    if node is None or total >= ordered.accelerators:
        return ""
    has = f"Node {name} has {total} of {ordered.accelerator} by its pool's own inventory"
    return f"{has}; {ordered.accelerators} were ordered."
