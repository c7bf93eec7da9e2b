"""Turn what scontrol prints of nodes and partitions into inventories. Pure, like `parsing.py`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lilong.agent.engines.slurm.parsing import whole_lines
from lilong.protocol.accelerators import AcceleratorUnknown, resolve
from lilong.protocol.messages import AcceleratorInventory, NodeInventory

_FIELD = re.compile(r"(?:^| )([A-Za-z_][A-Za-z0-9_/:]*)=")
_GRES = re.compile(r"([^,:()\s]+)(?::(\(null\)|[^,:()\s]+))??:(\d+)([KMGTP]?)(?:\([^)]*\))?")
# Names of generic resources that are whole accelerators; a share of one (mps, shard) or a network card is none.
_ACCELERATOR_GRES = frozenset({"gpu", "npu", "dcu", "mlu", "gcu", "xpu", "hpu", "ppu", "musa"})
_FLAG_SUFFIXES = {"*": "NOT_RESPONDING", "$": "MAINTENANCE", "@": "REBOOT_REQUESTED", "^": "REBOOT_ISSUED"}
_HARMLESS_SUFFIXES = "~#!%-+"  # asleep, waking or going to sleep, planned for another job, completing
_WORKS = frozenset({"IDLE", "MIXED", "ALLOCATED"})
_ENDS_WORK = frozenset(
    {
        "DOWN",
        "DRAIN",
        "DRAINED",
        "DRAINING",
        "ERROR",
        "FAIL",
        "FAILING",
        "FUTURE",
        "INVAL",
        "INVALID",
        "INVALID_REG",
        "MAINT",
        "MAINTENANCE",
        "NOT_RESPONDING",
        "PERFCTRS",
        "REBOOT",
        "REBOOT_ISSUED",
        "REBOOT_REQUESTED",
        "RESERVED",
        "UNKNOWN",
    }
)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The partition's nodes; notes: generic resources that were left out, each once, in words."""

    nodes: tuple[NodeInventory, ...]
    notes: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Partition:
    """What a partition allows. None: no limit, or not said."""

    name: str
    up: bool
    walltime_s_max: int | None
    nodes_max: int | None
    memory_mib_max: int | None
    preempt_mode: str
    complete: bool


def parse_nodes(*, text: str, partition: str, gres: Mapping[str, str]) -> Nodes:
    """Return the nodes of a partition; gres: what accelerators of the registry are called here, by their ids.

    A node that takes no work keeps its counts, but has nothing free, and its idle accelerators are drained.
    """
    lines = [line for line in whole_lines(text=text) if line.strip()]
    nodes: list[NodeInventory] = []
    notes: dict[str, None] = {}
    complete = bool(lines) and text.endswith("\n")
    for line in lines:
        fields = _read_fields(line)
        if "NodeName" not in fields:
            complete = False
        elif partition in fields.get("Partitions", "").split(","):
            try:
                node, left_out = _parse_node(fields, ids={name: id_ for id_, name in gres.items()})
            except (KeyError, ValueError):
                complete = False
            else:
                nodes.append(node)
                notes |= dict.fromkeys(left_out)
    return Nodes(nodes=tuple(nodes), notes=tuple(notes), complete=complete)


def is_healthy(*, state: str) -> bool:
    """Return whether a node in this state takes new work.

    >>> is_healthy(state="MIXED+PLANNED"), is_healthy(state="IDLE~"), is_healthy(state="IDLE+DRAIN")
    (True, True, False)
    """
    base = state.rstrip("*$@^" + _HARMLESS_SUFFIXES)
    flags = {*base.split("+"), *(_FLAG_SUFFIXES[mark] for mark in state[len(base) :] if mark in _FLAG_SUFFIXES)}
    return bool(flags & _WORKS) and not flags & _ENDS_WORK


def _read_fields(line: str) -> Mapping[str, str]:
    """Return the values of a line by name; the first one counts, since free text (Reason, Comment) stands behind."""
    _, *parts = _FIELD.split(line)
    fields: dict[str, str] = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        fields.setdefault(name, value.strip())
    return fields


def _parse_node(fields: Mapping[str, str], *, ids: Mapping[str, str]) -> tuple[NodeInventory, Sequence[str]]:
    healthy = is_healthy(state=fields["State"])
    cores_total = int(fields.get("CPUEfctv") or fields["CPUTot"])
    memory_total = int(fields["RealMemory"]) - int(fields.get("MemSpecLimit") or 0)
    accelerators, notes = _parse_accelerators(fields, ids=ids, healthy=healthy)
    node = NodeInventory(
        name=fields["NodeName"],
        cores_total=cores_total,
        cores_free=max(0, cores_total - int(fields["CPUAlloc"])) if healthy else 0,
        memory_mib_total=max(0, memory_total),
        memory_mib_free=max(0, memory_total - int(fields["AllocMem"])) if healthy else 0,
        accelerators=accelerators,
        healthy=healthy,
    )
    return node, notes


def _parse_accelerators(
    fields: Mapping[str, str], *, ids: Mapping[str, str], healthy: bool
) -> tuple[tuple[AcceleratorInventory, ...], Sequence[str]]:
    totals, used = read_gres(text=fields["Gres"]), read_gres(text=fields.get("GresUsed", ""))
    counts: dict[str, tuple[int, int]] = {}
    notes: list[str] = []
    for name, total in totals.items():
        accelerator = _find_accelerator(name, ids=ids)
        if accelerator is None:
            notes.append(f"{name} is no accelerator that Lilong knows; the setting for gres names can say which it is.")
            continue
        if name not in used and healthy:
            raise ValueError(f"What of {name} is in use is not said.")
        before = counts.get(accelerator, (0, 0))
        counts[accelerator] = (before[0] + total, before[1] + min(total, used.get(name, 0)))
    inventory = tuple(
        AcceleratorInventory(
            accelerator=accelerator,
            total=total,
            free=total - taken if healthy else 0,
            drained=0 if healthy else total - taken,
        )
        for accelerator, (total, taken) in counts.items()
    )
    return inventory, notes


def read_gres(*, text: str) -> Mapping[str, int]:
    """Return counts by `name:type`, or by `name` where there is no type; raises ValueError for what is no gres text.

    >>> read_gres(text="gpu:h100:8(S:0-1),gpu:a100:2(IDX:0,3),dcu:4")
    {'gpu:h100': 8, 'gpu:a100': 2, 'dcu': 4}
    """
    if text in {"", "(null)", "N/A"}:
        return {}
    counts: dict[str, int] = {}
    position = 0
    while position < len(text):
        match = _GRES.match(text, position)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise ValueError(f"{text[:80]!r} is no list of generic resources.")
        name = match[1] if match[2] in {None, "(null)"} else f"{match[1]}:{match[2]}"
        counts[name] = counts.get(name, 0) + int(match[3]) * 1024 ** " KMGTP".index(match[4] or " ")
        position = match.end() + 1
    return counts


def _find_accelerator(name: str, *, ids: Mapping[str, str]) -> str | None:
    return ids[name] if name in ids else find_registered(name=name)


def find_registered(*, name: str) -> str | None:
    """Return the registry's id for a generic resource with a type, None where the registry does not know the type.

    >>> find_registered(name="gpu:h100"), find_registered(name="gpu:big"), find_registered(name="shard:h100")
    ('h100-sxm5', None, None)
    """
    kind, _, model = name.partition(":")
    if kind not in _ACCELERATOR_GRES or not model:
        return None
    try:
        return resolve(model).id
    except AcceleratorUnknown:
        return None


def parse_partition(*, text: str) -> Partition:
    r"""Return what a partition query says; not complete if there is no such partition.

    >>> parse_partition(text="PartitionName=main MaxNodes=UNLIMITED MaxTime=1-00:00:00 State=UP\n").walltime_s_max
    86400
    """
    lines = [line for line in whole_lines(text=text) if line.startswith("PartitionName=")]
    fields = _read_fields(lines[0] if lines else "")
    memory = fields.get("MaxMemPerNode", "")
    nodes = fields.get("MaxNodes", "")
    return Partition(
        name=fields.get("PartitionName", ""),
        up=fields.get("State") == "UP",
        walltime_s_max=_parse_limit_s(fields.get("MaxTime", "")),
        nodes_max=int(nodes) if nodes.isdecimal() else None,
        memory_mib_max=int(memory) if memory.isdecimal() else None,
        preempt_mode=fields.get("PreemptMode", ""),
        complete="State" in fields,
    )


def _parse_limit_s(text: str) -> int | None:
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
