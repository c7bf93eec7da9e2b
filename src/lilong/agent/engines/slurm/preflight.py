"""Judge a cluster before an agent serves it: what makes that impossible, and what is unsafe. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lilong.agent.engines.slurm.nodes import Nodes, Partition
from lilong.agent.engines.slurm.parsing import ClusterConfig

PROVEN_VERSIONS = ("22.05", "24.11")
PRIVATE = ("jobs", "usage", "users", "accounts")
_OPERATORS = ("Operator", "Administrator")


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What was found out. admin_level: the agent's user in Slurm, empty where accounting does not know it.

    members: per user for jobs, why the helper cannot act as it; empty where it can. associated: the users that have an
    account in Slurm. hidden_processes: /proc shows a user only its own processes on the login node.
    """

    config: ClusterConfig
    partition: Partition
    nodes: Nodes
    agent_user: str
    is_root: bool
    admin_level: str
    members: Mapping[str, str]
    associated: frozenset[str]
    hidden_processes: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """refusals: nothing can be served until these are mended; warnings: what is less safe or less than it could be."""

    refusals: tuple[str, ...]
    warnings: tuple[str, ...]


def judge_cluster(*, facts: ClusterFacts) -> Judgement:
    """Return what to mend, each a sentence with its fix."""
    return Judgement(refusals=tuple(_find_refusals(facts)), warnings=tuple(_find_warnings(facts)))


def _find_refusals(facts: ClusterFacts) -> Iterator[str]:
    config, partition, user = facts.config, facts.partition, facts.agent_user
    if not config.complete:
        yield "Slurm did not tell its whole configuration: run `scontrol show config` as this user and see why."
    elif not config.accounting:
        yield "No database keeps the accounting: set AccountingStorageType=accounting_storage/slurmdbd in slurm.conf."
    if not partition.complete:
        yield f"There is no partition {partition.name!r}: correct `partition`."
    elif not facts.nodes.nodes:
        yield f"Partition {partition.name} has no node that could be read."
    if facts.admin_level not in _OPERATORS and not facts.is_root:
        yield f"{user} sees its own jobs alone: `sacctmgr modify user {user} set adminlevel=operator`."
    if not facts.members:
        yield "No user for jobs is named: set `users` or `service_users`."
    for name, why in facts.members.items():
        if why:
            yield f"The helper cannot act as {name}: {why}"
        if "associations" in config.enforced and name not in facts.associated:
            yield f"{name} has no account in Slurm: `sacctmgr add user {name} account=NAME`."


def _find_warnings(facts: ClusterFacts) -> Iterator[str]:
    config, partition = facts.config, facts.partition
    public = [word for word in PRIVATE if word not in config.private]
    if public:
        wanted = f"PrivateData={','.join(PRIVATE)}"
        yield f"Members see each other's {', '.join(public)}: set {wanted} in slurm.conf and slurmdbd.conf."
    if not facts.hidden_processes:
        yield "Members see each other's processes: mount /proc with hidepid=2 here and on every node."
    if facts.is_root:
        yield "The agent runs as root, which it does not need: give it a user of its own that is a Slurm operator."
    if partition.complete and not partition.up:
        yield f"Partition {partition.name} is down or drained: nothing starts in it now."
    if not config.version.startswith(PROVEN_VERSIONS):
        yield f"Slurm {config.version} has not been tried; {' and '.join(PROVEN_VERSIONS)} have."
    for note in facts.nodes.notes:
        yield f"Left out: {note}"
