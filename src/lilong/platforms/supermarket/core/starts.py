"""Whether a job could start at once, by what a pool last reported. An estimate: capacity is promised by nobody."""

from enum import StrEnum

from lilong.protocol.messages import Inventory, NodeInventory
from lilong.protocol.spec import Resources, RunSpec


class Starts(StrEnum):
    """When a job would start on an offer, as far as anything is known."""

    NOW = "now"
    AFTER_MAINTENANCE = "after_maintenance"
    UNKNOWN = "unknown"


def estimate_start(*, spec: RunSpec, inventory: Inventory | None) -> Starts:
    """Return NOW when every rank finds a healthy node with enough of everything free."""
    nodes = inventory.nodes if inventory else ()
    free = [node for node in nodes if _has_room(node, spec.resources)]
    return Starts.NOW if len(free) >= spec.nodes else Starts.UNKNOWN


def _has_room(node: NodeInventory, wanted: Resources) -> bool:
    accelerators = sum(kind.free for kind in node.accelerators if kind.accelerator == wanted.accelerator)
    return (
        node.healthy
        and node.cores_free >= wanted.cores
        and node.memory_mib_free >= wanted.memory_mib
        and accelerators >= wanted.accelerators
    )
