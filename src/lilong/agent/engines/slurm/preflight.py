"""Judge a cluster before an agent serves it: what makes that impossible, and what is unsafe. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from lilong.agent.engines.slurm.associations import Associations, Charging, judge_chargings
from lilong.agent.engines.slurm.nodes import Nodes, Partition, find_registered
from lilong.agent.engines.slurm.parsing import ClusterConfig
from lilong.common.errors import FieldProblem
from lilong.protocol.accelerators import AcceleratorUnknown, resolve

PROVEN_VERSIONS = ("22.05", "24.11")
PRIVATE = ("jobs", "usage", "users", "accounts")
_OPERATORS = ("Operator", "Administrator")


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What was found out. admin_level: the agent's user in Slurm, empty where accounting does not know it.

    is_single_user: all jobs run as the agent's own user.
    members: per user for jobs, why the helper cannot act as it, empty where it can; strangers: those whom this machine
    does not know; refused: per user, what sbatch says against a small job of it. chargings: the accounts and qualities
    of service that the settings name; associations: what slurmdbd knows of them. hidden_processes: /proc shows a user
    only its own processes on the login node. shared_folder: why the agent and the nodes cannot share it, empty where
    they can. gres: as in the settings. opened: the accelerators that untrusted work may use by the settings.
    """

    config: ClusterConfig
    partition: Partition
    nodes: Nodes
    agent_user: str
    is_root: bool
    is_single_user: bool
    admin_level: str
    members: Mapping[str, str]
    strangers: Collection[str]
    refused: Mapping[str, str]
    chargings: tuple[Charging, ...]
    associations: Associations
    hidden_processes: bool
    shared_folder: str
    gres: Mapping[str, str]
    opened: Collection[str] = ()

    @property
    def is_operator(self) -> bool:
        """Whether the agent sees what accounting knows of those as whom jobs run."""
        return self.is_root or self.is_single_user or self.admin_level in _OPERATORS


@dataclass(frozen=True, slots=True)
class Judgement:
    """refusals: nothing can be served until these are mended; warnings: what is less safe or less than it could be."""

    refusals: tuple[FieldProblem, ...]
    warnings: tuple[FieldProblem, ...]


def judge_cluster(*, facts: ClusterFacts) -> Judgement:
    """Return what to mend, each a sentence with its fix; its path is a setting, or what else it is about."""
    refusals = (*_judge_slurm(facts), *_judge_agent(facts), *_judge_members(facts))
    return Judgement(refusals=refusals, warnings=tuple(_find_warnings(facts)))


def _judge_slurm(facts: ClusterFacts) -> Iterator[FieldProblem]:
    config, partition = facts.config, facts.partition
    if not config.complete:
        message = "Slurm did not tell its whole configuration: run `scontrol show config` as this user and see why."
        yield FieldProblem(path="slurm.conf", code="agent.config_unread", message=message)
    elif not config.accounting:
        message = (
            "No database keeps the accounting: set AccountingStorageType=accounting_storage/slurmdbd in slurm.conf."
        )
        yield FieldProblem(path="slurm.conf", code="agent.no_accounting", message=message)
    if not partition.complete:
        message = f"There is no partition {partition.name!r}: `sinfo --all` lists those that there are."
        yield FieldProblem(path="partition", code="agent.no_partition", message=message)
    elif not facts.nodes.nodes:
        message = f"Partition {partition.name} has no node that could be read: see `scontrol show node`."
        yield FieldProblem(path="partition", code="agent.no_node", message=message)


def _judge_agent(facts: ClusterFacts) -> Iterator[FieldProblem]:
    user = facts.agent_user
    if not facts.is_operator:
        verb = f"modify user {user} set" if facts.admin_level else f"add user {user} account=ACCOUNT"
        message = f"{user} sees its own jobs alone: `sacctmgr {verb} adminlevel=operator`."
        yield FieldProblem(path="agent", code="agent.no_operator", message=message)
    if facts.shared_folder:
        message = f"{facts.shared_folder} As root: `install -d -o {user} -m 0755 FOLDER`."
        yield FieldProblem(path="shared_folder", code="agent.shared_folder_unfit", message=message)


def _judge_members(facts: ClusterFacts) -> Iterator[FieldProblem]:
    path, user = "service_users", facts.agent_user
    if not facts.members and not facts.strangers:
        message = "No user for jobs is named: set `users` or `service_users`."
        yield FieldProblem(path=path, code="agent.no_members", message=message)
    if user in facts.members and not facts.is_single_user:
        message = (
            f"No jobs run as {user}, who runs the agent, beside those of others: take it out of `users` and "
            "`service_users`, or leave nobody else in them."
        )
        yield FieldProblem(path=path, code="agent.member_is_agent", message=message)
    if facts.strangers:
        message = f"This machine knows no user {', '.join(sorted(facts.strangers))}: `useradd`, here and on all nodes."
        yield FieldProblem(path=path, code="agent.member_unknown", message=message)
    reached = {name: why for name, why in facts.members.items() if name != user or facts.is_single_user}
    install = f"Put them into the group of members, then as root `lilong agent install-helper --agent-user {user}`."
    if facts.is_single_user:
        install = f"As {user}: `lilong agent install-helper --single-user`."
    for why, names in _group(reached):
        message = f"The helper cannot act as {names}: {why} {install}"
        yield FieldProblem(path=path, code="agent.member_out_of_reach", message=message)
    missing = tuple(_judge_chargings(facts))
    yield from missing
    is_open = facts.partition.up and any(node.healthy for node in facts.nodes.nodes)
    if facts.partition.complete and is_open and not missing:
        for why, names in _group(facts.refused):
            message = f"sbatch refuses a small job of {names}: {why} See `account`, `qos` and the partition's limits."
            yield FieldProblem(path=path, code="agent.member_refused", message=message)


def _judge_chargings(facts: ClusterFacts) -> Iterator[FieldProblem]:
    if "associations" not in facts.config.enforced or not facts.is_operator:
        return
    here = {name for name in facts.members if name != facts.agent_user or facts.is_single_user}
    chargings = [one for one in facts.chargings if one.user in here]
    enforces_qos = "qos" in facts.config.enforced
    yield from judge_chargings(chargings=chargings, known=facts.associations, enforces_qos=enforces_qos)


def _find_warnings(facts: ClusterFacts) -> Iterator[FieldProblem]:
    config, partition = facts.config, facts.partition
    public = [word for word in PRIVATE if word not in config.private]
    if public:
        wanted = f"PrivateData={','.join(PRIVATE)}"
        message = f"Members see each other's {', '.join(public)}: set {wanted} in slurm.conf and slurmdbd.conf."
        yield FieldProblem(path="slurm.conf", code="agent.data_public", message=message)
    if not facts.hidden_processes:
        message = (
            "/proc shows everybody's processes here, and to trusted jobs where nodes are set up alike: "
            "`mount -o remount,hidepid=2 /proc` on every node, and in /etc/fstab."
        )
        yield FieldProblem(path="/proc", code="agent.processes_public", message=message)
    if facts.is_single_user:
        message = (
            f"Jobs run as {facts.agent_user}, who runs the agent: they can read its token and whatever it reads. Sell "
            "nothing here to others than your own organisation."
        )
        yield FieldProblem(path="users", code="agent.single_user", message=message)
    if facts.is_root:
        message = "The agent runs as root, which it does not need: give it a user of its own that is a Slurm operator."
        yield FieldProblem(path="agent", code="agent.is_root", message=message)
    if partition.complete and not partition.up:
        message = f"Partition {partition.name} is down or drained, so nothing starts in it now."
        yield FieldProblem(path="partition", code="agent.partition_down", message=message)
    elif facts.nodes.nodes and not any(node.healthy for node in facts.nodes.nodes):
        message = f"No node of {partition.name} takes work now: `sinfo --list-reasons` says why."
        yield FieldProblem(path="partition", code="agent.nodes_down", message=message)
    if config.complete and not config.version.startswith(PROVEN_VERSIONS):
        message = f"Slurm {config.version} has not been tried; {' and '.join(PROVEN_VERSIONS)} have."
        yield FieldProblem(path="slurm.conf", code="agent.version_untried", message=message)
    for note in facts.nodes.notes:
        yield FieldProblem(path="gres", code="agent.gres_unknown", message=f"Left out: {note}")
    if facts.opened and config.complete and not _constrains_devices(config):
        message = (
            f"Beside the sandbox only the driver keeps a job with {', '.join(sorted(facts.opened))} from others' "
            "accelerators: set ConstrainDevices=yes in cgroup.conf and TaskPlugin=task/cgroup in slurm.conf."
        )
        yield FieldProblem(path="cgroup.conf", code="agent.devices_unconstrained", message=message)
    yield from _judge_gres(facts)


def _constrains_devices(config: ClusterConfig) -> bool:
    return "cgroup" in config.values.get("TaskPlugin", "") and config.values.get("ConstrainDevices", "") == "yes"


def _judge_gres(facts: ClusterFacts) -> Iterator[FieldProblem]:
    """Find names of accelerators that no job can ask for, or that no node answers to."""
    there = {one.accelerator for node in facts.nodes.nodes for one in node.accelerators}
    for accelerator, name in facts.gres.items():
        message = _find_gres_trouble(accelerator, name=name, there=there)
        if message:
            yield FieldProblem(path=f"gres.{accelerator}", code="agent.gres_unused", message=message)


def _find_gres_trouble(accelerator: str, *, name: str, there: Collection[str]) -> str:
    try:
        known = resolve(accelerator).id
    except AcceleratorUnknown as error:
        return f"Nobody can order it: {error.detail}"
    if known != accelerator:
        return f"Nobody can order it under this name: write {known}."
    registered = find_registered(name=name)
    if registered not in {None, known}:
        return (
            f"{name} means {registered} to the registry, so that what runs as {known} is disputed: give {registered} "
            "this name, or the type in gres.conf another one."
        )
    return "" if known in there else f"No node of the partition has {name}: see `scontrol show node`."


def _group(reasons: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each reason once, with the names of all users for whom it is the same but for their name."""
    found: dict[str, list[str]] = {}
    for name, why in reasons.items():
        if why:
            found.setdefault(re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "it", why), []).append(name)
    for why, names in found.items():
        told = why if len(names) > 1 else reasons[names[0]]
        yield f"{told.strip().rstrip('.')}.", ", ".join(names)
