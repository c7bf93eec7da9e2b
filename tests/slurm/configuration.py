"""The files of a cluster: what Slurm is told, and the small scripts that start its programs. Pure; writes nothing."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.slurm.trees import PROGRAMS, Tree

ACCELERATORS_PER_NODE = 8
FIRST_DEVICE = 3  # Slurm counts from 0 all the same: who takes its number for the file's is found out
CORES_PER_NODE = 32
MEMORY_PER_NODE_MIB = 64_000
CONTROL_DEVICE = "control"
CLIENTS = tuple(name for name, path in PROGRAMS.items() if path.startswith("usr/bin/"))
DATABASE = "slurm"


@dataclass(frozen=True, slots=True)
class Node:
    """One node and the type of its accelerators; it listens on a port of its own, because all share one machine."""

    name: str
    accelerator: str
    port: int


@dataclass(frozen=True, slots=True)
class Description:
    """A cluster that can be started; `settings` are added to slurm.conf or replace what stands there."""

    name: str
    folder: Path
    tree: Tree
    controller_port: int
    accounting_port: int
    nodes: tuple[Node, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        """Folder of the programs that members and agents call."""
        return self.folder / "bin"

    @property
    def devices(self) -> Path:
        """Folder of what stands for accelerators."""
        return self.folder / "devices"

    @property
    def sbin(self) -> Path:
        """Folder of the daemons."""
        return self.folder / "sbin"

    @property
    def conf(self) -> Path:
        """slurm.conf as clients read it."""
        return self.folder / "etc" / "slurm.conf"

    @property
    def daemon_conf(self) -> Path:
        """slurm.conf as the daemons read it."""
        return self.folder / "etc" / "daemons.conf"

    @property
    def munge_socket(self) -> Path:
        """Where MUNGE vouches for users."""
        return self.folder / "run" / "munge.socket"

    @property
    def database_socket(self) -> Path:
        """Where MariaDB listens, in a folder that is closed to others."""
        return self.folder / "database" / "mariadb.socket"


def render_script(cluster: Description, program: str, *, environment: Mapping[str, str]) -> str:
    """Return a script that runs a program of the tree with the tree's own loader and libraries, and no others.

    A change of root would do it, too, but jobs then would not see the machine's files and users.
    """
    libraries = f"{cluster.tree.libraries}:{cluster.tree.plugins}"
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    # On a real cluster jobs find srun, whoever submitted them, and by whatever way.
    exports += f'export PATH={shlex.quote(str(cluster.bin))}:"$PATH"\n'
    # slurmctld 24.11 starts itself once more under the name it was called by, so that has to be this script.
    loader = [cluster.tree.loader, "--inhibit-cache", "--library-path", libraries]
    command = shlex.join(str(part) for part in loader)
    return f'#!/bin/sh\n{exports}exec {command} --argv0 "$0" {shlex.quote(str(cluster.tree.program(program)))} "$@"\n'


def render_slurm_conf(cluster: Description) -> str:
    """Return slurm.conf: typed accelerators, accounting by slurmdbd, preemption by partition, and short waits."""
    folder = cluster.folder
    settings = {
        "ClusterName": cluster.name,
        "SlurmctldHost": "localhost(127.0.0.1)",
        "SlurmctldPort": str(cluster.controller_port),
        "SlurmUser": "root",
        "PluginDir": str(cluster.tree.plugins),
        "AuthType": "auth/munge",
        # A job that is requeued waits until the credentials of its last start have expired: two minutes by default.
        "AuthInfo": f"socket={cluster.munge_socket},cred_expire=10",
        "StateSaveLocation": f"{folder}/state",
        "SlurmctldPidFile": f"{folder}/run/slurmctld.pid",
        "SlurmdSpoolDir": f"{folder}/spool/%n",
        "SlurmdPidFile": f"{folder}/run/slurmd.%n.pid",
        # Nodes may be larger than the machine that plays them all.
        "SlurmdParameters": "config_overrides",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": "1000",
        "GresTypes": "gpu",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=5",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(cluster.accounting_port),
        "AccountingStoragePass": str(cluster.munge_socket),
        "AccountingStorageTRES": "gres/gpu",
        "AccountingStorageEnforce": "associations,limits,qos",
        "PrivateData": "jobs,usage,users,accounts,events",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
        "JobRequeue": "1",
        "ReturnToService": "2",
        "MinJobAge": "300",
        "SlurmctldTimeout": "10",
        # A dead node is noticed after 15 to 20 seconds: the first number, and twice the second for connections refused.
        "SlurmdTimeout": "8",
        "MessageTimeout": "5",
        "BatchStartTimeout": "60",
        "KillWait": "3",
        "SchedulerParameters": "batch_sched_delay=0,sched_interval=2,bf_interval=2",
        "MailProg": "/bin/true",
        **cluster.settings,
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    lines += [
        f"NodeName={node.name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={node.port} CPUs={CORES_PER_NODE}"
        f" RealMemory={MEMORY_PER_NODE_MIB} Gres=gpu:{node.accelerator}:{ACCELERATORS_PER_NODE}"
        for node in cluster.nodes
    ]
    lines.append("PartitionName=low Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE")
    lines.append("PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE")
    return "\n".join(lines) + "\n"


def render_daemon_conf(cluster: Description) -> str:
    """Return the file of slurmctld and slurmd, which listen on the address of the name `localhost` alone.

    Not for clients: srun listens, too, under the machine's own name, and that need not be a loopback address.
    """
    return f"Include {cluster.conf}\nCommunicationParameters=NoInAddrAny,NoCtldInAddrAny\n"


def render_gres_conf(cluster: Description) -> str:
    """Return gres.conf, with a path of its own for each accelerator: see `list_devices`."""
    numbers = f"{FIRST_DEVICE}-{FIRST_DEVICE + ACCELERATORS_PER_NODE - 1}"
    return "AutoDetect=off\n" + "".join(
        f"NodeName={node.name} Name=gpu Type={node.accelerator} File={_devices(cluster, node)}[{numbers}]\n"
        for node in cluster.nodes
    )


def render_cgroup_conf(cluster: Description) -> str:
    """Return cgroup.conf, such that nothing asks for control groups.

    slurmd looks for them when it starts, and ends where it may not have the kind that it finds. 22.05 cannot be told to
    leave that; its first kind asks for nothing as long as no plugin does.
    """
    plugin = "cgroup/v1" if cluster.tree.suite == "bookworm" else "disabled"
    return f"CgroupPlugin={plugin}\n"


def list_devices(cluster: Description) -> list[Path]:
    """Return the paths that stand for accelerators, and one for a device that all of them share.

    They have to lead to a device: for a plain file Slurm sets neither CUDA_VISIBLE_DEVICES nor SLURM_JOB_GPUS.
    """
    numbers = range(FIRST_DEVICE, FIRST_DEVICE + ACCELERATORS_PER_NODE)
    own = [Path(f"{_devices(cluster, node)}{number}") for node in cluster.nodes for number in numbers]
    return [*own, cluster.devices / CONTROL_DEVICE]


def _devices(cluster: Description, node: Node) -> str:
    return f"{cluster.devices}/{node.name}-{node.accelerator}-"


def render_slurmdbd_conf(cluster: Description) -> str:
    """Return slurmdbd.conf; Slurm refuses it unless it is closed to others."""
    settings = {
        "DbdHost": "localhost",
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(cluster.accounting_port),
        "SlurmUser": "root",
        "PluginDir": str(cluster.tree.plugins),
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={cluster.munge_socket}",
        "CommunicationParameters": "NoInAddrAny",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageLoc": DATABASE,
        "StorageUser": "root",
        "PidFile": f"{cluster.folder}/run/slurmdbd.pid",
        "PrivateData": "accounts,events,jobs,usage,users",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def render_database_statements(cluster: Description) -> str:
    """Return what makes MariaDB's system tables, a user root for root alone, and Slurm's empty database.

    The database has to be there before slurmdbd: after a connection that failed, the client library of MariaDB 11.8
    refuses every column.
    """
    kinds = ("system_tables", "performance_tables", "system_tables_data")
    texts = [path for kind in kinds for path in sorted(cluster.tree.database_texts.glob(f"m*_{kind}.sql"))]
    statements = "\n".join(path.read_text(encoding="utf-8") for path in texts)
    # A statement ends with its line here, and the first comes before there is a schema to speak of.
    opening = f"CREATE DATABASE {DATABASE};\nCREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket='root';\n"
    return opening + statements
