"""Look whether cluster and provider have done their part: IO for what `preflight.py` judges. Changes nothing."""

import os
import pwd
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lilong.agent.engines.local.host import may_reach
from lilong.agent.engines.slurm.assembly import find_place, read_config
from lilong.agent.engines.slurm.associations import Associations, list_chargings, parse_associations
from lilong.agent.engines.slurm.client import Cluster
from lilong.agent.engines.slurm.commands import (
    build_accounts_query,
    build_admin_query,
    build_associations_query,
    build_nodes_query,
    build_partition_query,
    build_qos_query,
    build_submit_options,
)
from lilong.agent.engines.slurm.nodes import parse_nodes, parse_partition
from lilong.agent.engines.slurm.opening import open_accelerators
from lilong.agent.engines.slurm.preflight import ClusterFacts
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.engines.slurm.users import JobUsers
from lilong.common.errors import LilongError
from lilong.protocol.spec import Resources, RunSpec

_SMALL = RunSpec(name="check", command="true", resources=Resources(memory_mib=64), walltime_s=60)


def examine_cluster(*, home: Path, settings: SlurmSettings) -> ClusterFacts:
    """Ask the cluster, accounting and the helper for what `judge_cluster` judges; raises EngineBusy."""
    cluster = Cluster(bin=settings.bin, conf=settings.conf, timeout_s=settings.command_timeout_s)
    users = JobUsers(settings=settings, home=home)
    partition = parse_partition(text=cluster.run(build_partition_query(partition=settings.partition)).output)
    nodes = parse_nodes(
        text=cluster.ask(build_nodes_query()).output, partition=settings.partition, gres=dict(settings.gres)
    )
    agent_user = pwd.getpwuid(os.geteuid()).pw_name
    names = users.list_names()
    strangers = [name for name in names if users.find_uid(name) < 0]
    members = {name: _find_trouble(users, name, settings=settings) for name in names if name not in strangers}
    levels = cluster.run(build_admin_query(user=agent_user)).output.split()
    return ClusterFacts(
        config=read_config(cluster=cluster),
        partition=partition if partition.complete else replace(partition, name=settings.partition),
        nodes=nodes,
        agent_user=agent_user,
        is_root=os.geteuid() == 0,
        is_single_user=users.is_single,
        admin_level=levels[0] if levels else "",
        members=members,
        strangers=strangers,
        refused={name: _find_refusal(users, name, settings=settings) for name, why in members.items() if not why},
        chargings=list_chargings(users=settings.users, service_users=settings.service_users, charges=settings.charges),
        associations=_find_associations(cluster, names, settings=settings),
        hidden_processes=_hides_processes(),
        shared_folder=_find_closed(settings.shared_folder, for_others=not users.is_single),
        gres=dict(settings.gres),
        opened=open_accelerators(settings=settings).shown,
    )


def _find_associations(cluster: Cluster, names: Sequence[str], *, settings: SlurmSettings) -> Associations:
    told = cluster.run(build_associations_query(users=names)).output
    return Associations(
        found=parse_associations(text=told, partition=settings.partition),
        accounts=frozenset(cluster.run(build_accounts_query()).output.split()),
        qos=frozenset(cluster.run(build_qos_query()).output.split()),
    )


def _find_trouble(users: JobUsers, name: str, *, settings: SlurmSettings) -> str:
    """Return why the helper cannot act as a user, empty when it can."""
    try:
        folder = users.of(name).find_folder()
    except LilongError as error:
        return error.detail or error.title
    if folder.parent != PurePosixPath(settings.jobs_folder):
        return f"it was installed for {folder.parent}, and `jobs_folder` is {settings.jobs_folder}."
    return ""


def _find_refusal(users: JobUsers, name: str, *, settings: SlurmSettings) -> str:
    """Return what sbatch says against a small job of this user, empty when it would take it. Nothing is submitted."""
    account, qos = settings.charges.choose(organisation_id=users.find_mapped(name), charge_code="")
    options = build_submit_options(
        spec=_SMALL,
        name="lilong-check",
        attempt_id="",
        attempt_folder=PurePosixPath(settings.jobs_folder / name),
        place=replace(find_place(settings=settings), account=account, qos=qos),
        grace_s=0,
        margin_s=0,
    )
    dry = [option for option in options if not option.startswith(("--chdir", "--output", "--error"))]
    try:
        said = users.of(name).submit(options=[*dry, "--test-only"], script="#!/bin/sh\n")
    except LilongError as error:
        return error.detail or error.title
    lines = [line.removeprefix("sbatch: error: ") for line in said.stderr.splitlines() if "error:" in line]
    return "; ".join(lines) or f"exit code {said.exit_code}" if said.exit_code else ""


def _find_closed(folder: Path, *, for_others: bool) -> str:
    """Return why the agent and those as whom jobs run cannot share a folder, empty when they can."""
    if not folder.is_dir():
        return f"There is no folder {folder}."
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"The agent cannot write to {folder}."
    closed = may_reach(path=folder) if for_others else None
    return f"Members' users cannot enter {closed}." if closed else ""


def _hides_processes() -> bool:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    options = [line.split()[3].split(",") for line in mounts if line.split()[1] == "/proc"]
    return any(option in {"hidepid=2", "hidepid=invisible", "hidepid=4"} for option in (options or [[]])[-1])
