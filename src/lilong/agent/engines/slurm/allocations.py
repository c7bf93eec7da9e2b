"""Turn what scontrol prints of started jobs into the accelerators that they were given. Pure, like `parsing.py`.

Some of the text is the member's: the job's name stands before what is read here, its comment behind, and either may
pretend to be more of it. So the name has to be ours, and whatever can be read in two ways is not read at all.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lilong.agent.engines.slurm.nodes import find_registered, read_gres
from lilong.agent.engines.slurm.parsing import expand_nodes, whole_lines
from lilong.protocol.messages import Allocation

_JOB = re.compile(r"(?:scontrol: )*JobId=(\d+) JobName=(.*)")
_NOBODYS = -1
_TOTAL = re.compile(r" *JOB_GRES=(.*)")
_SHARE = re.compile(r" *Nodes=(\S+) CPU_IDs=\S* Mem=\d+ GRES=(\S*) *")
_SHARE_LIKE = re.compile(r" *Nodes=.*")
_BEHIND = re.compile(r" *MinCPUsNode=.*")

Given = Mapping[str, Mapping[str, int]]
"""Counts of generic resources, by node and by the name that Slurm has for them."""


def parse_allocations(*, text: str, names: Mapping[int, str]) -> Mapping[int, Given]:
    r"""Return what each job has on which node, by the job's number; a job of which that is not certain is left out.

    names: of the jobs that were asked for, by their numbers; under another name none of them is read.

    >>> share = "Nodes=n[1-2] CPU_IDs=0 Mem=9 GRES=gpu:h100:2(IDX:0-1)"
    >>> text = f"JobId=7 JobName=a\n JOB_GRES=gpu:h100:4\n {share}\n MinCPUsNode=1\n"
    >>> parse_allocations(text=text, names={7: "a"})
    {7: {'n1': {'gpu:h100': 2}, 'n2': {'gpu:h100': 2}}}
    """
    blocks: list[tuple[int, list[str]]] = []
    for line in whole_lines(text=text):
        head = _JOB.fullmatch(line)
        if head:
            is_asked = names.get(int(head[1])) == head[2]
            blocks.append((int(head[1]) if is_asked else _NOBODYS, []))
        elif blocks:
            blocks[-1][1].append(line)
    seen = Counter(job_id for job_id, _ in blocks)
    found: dict[int, Given] = {}
    for job_id, lines in blocks:
        if job_id != _NOBODYS and seen[job_id] == 1 and (given := _read_job(lines)):
            found[job_id] = given
    return found


def name_allocations(*, given: Given, ordered: str, gres: Mapping[str, str]) -> tuple[Allocation, ...]:
    """Return the accelerators of a job by their ids; ordered: which was wanted; gres: what they are called here.

    A type that the registry knows is what the registry says, whatever `gres` makes of it: a provider's own settings are
    no evidence for the provider. Where the type says nothing, `gres` is all that is known.

    >>> name_allocations(given={"n1": {"gpu:a100": 2}}, ordered="h100-sxm5", gres={"h100-sxm5": "gpu:a100"})
    (Allocation(node='n1', accelerator='a100-sxm4-80gb', count=2),)
    """
    return tuple(
        Allocation(node=node, accelerator=accelerator, count=count)
        for node, counts in given.items()
        for name, count in counts.items()
        if (accelerator := _name_accelerator(name, ordered=ordered, gres=gres)) is not None
    )


def _name_accelerator(name: str, *, ordered: str, gres: Mapping[str, str]) -> str | None:
    registered = find_registered(name=name)
    if registered is not None:
        return registered
    if gres.get(ordered) in {name, name.partition(":")[0]}:
        return ordered
    return next((accelerator for accelerator, called in gres.items() if called == name), None)


def _read_job(lines: Sequence[str]) -> Given:
    """Return what one job has by node, nothing unless Slurm's lines are there once and in their order."""
    totals = [number for number, line in enumerate(lines) if _TOTAL.fullmatch(line)]
    shares = [number for number, line in enumerate(lines) if _SHARE_LIKE.fullmatch(line)]
    if len(totals) != 1 or shares != list(range(totals[0] + 1, totals[0] + 1 + len(shares))):
        return {}
    end = totals[0] + 1 + len(shares)
    if end >= len(lines) or not _BEHIND.fullmatch(lines[end]):
        return {}
    try:
        given = _read_shares([lines[number] for number in shares])
        total = Counter(read_gres(text=lines[totals[0]].partition("=")[2].strip()))
    except ValueError:
        return {}
    added = Counter[str]()
    for counts in given.values():
        added.update(counts)
    return given if added == total else {}


def _read_shares(lines: Sequence[str]) -> Given:
    given: dict[str, Mapping[str, int]] = {}
    for line in lines:
        share = _SHARE.fullmatch(line)
        if share is None:
            raise ValueError(f"{line[:80]!r} is no share of a job.")
        counts = read_gres(text=share[2])
        for node in expand_nodes(text=share[1]):
            if node in given:
                raise ValueError(f"{node[:80]!r} is named twice.")
            given[node] = counts
    return {node: counts for node, counts in given.items() if counts}
