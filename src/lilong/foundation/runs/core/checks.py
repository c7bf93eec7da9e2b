"""Check a spec against what a pool can do and has: the same problems at the quote, at the order and at submission."""

from lilong.common.errors import FieldProblem
from lilong.common.sentences import say
from lilong.protocol.messages import Inventory, NodeInventory
from lilong.protocol.spec import Isolation, Network, Resources, RunSpec


def find_problems(spec: RunSpec, *, inventory: Inventory | None) -> list[FieldProblem]:
    """Return why the pool can never run `spec`; an empty list means that it can, once it has room.

    A pool whose agent has not reported anything yet can run nothing.
    """
    if inventory is None:
        return [_problem("resources", "pool_unknown", say("The pool's agent has not reported what it has yet."))]
    able = inventory.capabilities
    problems: list[FieldProblem] = []
    if spec.isolation is Isolation.UNTRUSTED and not able.sandbox:
        why = able.sandbox_reason or say("its sandbox was not proven.")
        problems.append(
            _problem("isolation", "isolation_missing", say("The pool cannot run untrusted work: {why}", why=why))
        )
    if spec.network is Network.OUTBOUND and not able.network:
        problems.append(_problem("network", "network_missing", say("Jobs in this pool reach no network.")))
    if spec.nodes > 1 and not able.gang:
        problems.append(_problem("nodes", "gang_missing", say("This pool starts jobs on one node only.")))
    names = [profile.name for profile in inventory.profiles]
    if spec.environment.profile not in names:
        profiles = ", ".join(names) or say("none")
        problems.append(
            _problem(
                "environment.profile",
                "profile_unknown",
                say("The pool's base profiles are: {profiles}.", profiles=profiles),
            )
        )
    return [*problems, *_find_capacity_problems(spec, inventory=inventory)]


def _find_capacity_problems(spec: RunSpec, *, inventory: Inventory) -> list[FieldProblem]:
    """Compare with the nodes as a whole, busy or not; unhealthy ones do not count."""
    nodes = [node for node in inventory.nodes if node.healthy]
    wanted = spec.resources
    if sum(_fits(node, wanted) for node in nodes) >= (spec.nodes if inventory.capabilities.gang else 1):
        return []
    problems: list[FieldProblem] = []
    most_cores = max((node.cores_total for node in nodes), default=0)
    most_memory_mib = max((node.memory_mib_total for node in nodes), default=0)
    if wanted.cores > most_cores:
        problems.append(
            _problem(
                "resources.cores",
                "cores_missing",
                say("The largest node has {most_cores} cores.", most_cores=most_cores),
            )
        )
    if wanted.memory_mib > most_memory_mib:
        message = say("The largest node has {most_memory_mib} MiB of memory.", most_memory_mib=most_memory_mib)
        problems.append(_problem("resources.memory_mib", "memory_missing", message))
    most_accelerators = max((_count_accelerators(node, wanted.accelerator) for node in nodes), default=0)
    if wanted.accelerators > most_accelerators:
        message = say(
            "No node has more than {most_accelerators} of {accelerator}.",
            most_accelerators=most_accelerators,
            accelerator=wanted.accelerator or say("any accelerator"),
        )
        problems.append(_problem("resources.accelerators", "accelerators_missing", message))
    if problems:
        return problems
    return [
        _problem(
            "nodes",
            "nodes_missing",
            say("Too few nodes have all of this at once: {nodes} are needed.", nodes=spec.nodes),
        )
    ]


def _fits(node: NodeInventory, wanted: Resources) -> bool:
    return (
        node.cores_total >= wanted.cores
        and node.memory_mib_total >= wanted.memory_mib
        and _count_accelerators(node, wanted.accelerator) >= wanted.accelerators
    )


def _count_accelerators(node: NodeInventory, accelerator: str | None) -> int:
    return sum(kind.total - kind.drained for kind in node.accelerators if kind.accelerator == accelerator)


def _problem(path: str, code: str, message: str) -> FieldProblem:
    return FieldProblem(path=path, code=f"runs.{code}", message=message)
