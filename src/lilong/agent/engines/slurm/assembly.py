"""Put the Slurm engine together from its settings, and let the nodes prove their sandbox."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

from lilong.agent.engines.local.host import read_system
from lilong.agent.engines.port import BaseProfile
from lilong.agent.engines.rank import accelerators, journal, seccomp, shim, supervise, watch
from lilong.agent.engines.rank.launch import MIB, Bounds, Isolation
from lilong.agent.engines.slurm.allotting import Allotting
from lilong.agent.engines.slurm.book import Book
from lilong.agent.engines.slurm.client import Cluster
from lilong.agent.engines.slurm.commands import (
    Place,
    build_config_query,
)
from lilong.agent.engines.slurm.delivery import Wrapping
from lilong.agent.engines.slurm.engine import SlurmEngine
from lilong.agent.engines.slurm.layout import Layout, Waits
from lilong.agent.engines.slurm.opening import find_closed, open_accelerators
from lilong.agent.engines.slurm.parsing import ClusterConfig, parse_config
from lilong.agent.engines.slurm.proving import prove_nodes
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.engines.slurm.users import JobUsers
from lilong.agent.engines.slurm.watching import Watching
from lilong.agent.spool import Spool, read_json, write_json
from lilong.common.errors import EngineBusy
from lilong.common.files import write_durably

_WRAPPER = (shim, supervise, accelerators, journal, watch)
_MESSAGE_TIMEOUT_S_DEFAULT = 120  # longer than sites set it: for a cluster that does not answer now
_FORGET_FACTOR = 10
_COMPILE_S_MAX = 20.0
SANDBOX = "sandbox.json"
_SINGLE_USER = "jobs run as the agent's own user here, so that nothing but a sandbox would stand between them and it."
_NEVER_PROVEN = "no node of this cluster has proven it yet: run `lilong agent prove`."


@dataclass(frozen=True, slots=True)
class Site:
    """The parts that speak with one cluster, and how jobs are laid out there."""

    cluster: Cluster
    users: JobUsers
    layout: Layout
    wrapping: Wrapping


def build_slurm_engine(
    *, home: Path, settings: SlurmSettings, profiles: Sequence[BaseProfile], clock: Callable[[], datetime]
) -> SlurmEngine:
    """Return the engine of a cluster, which need not answer now."""
    site = _build_site(home=home, settings=settings, profiles=profiles)
    reason = read_sandbox_reason(home=home, settings=settings)
    closed = read_closed_accelerators(home=home, settings=settings)
    bare = replace(site.wrapping, isolation=replace(site.wrapping.isolation, sandboxed=False))
    waits = Waits(
        message_timeout_s=_find_message_timeout_s(site.cluster),
        settle_s=settings.settle_s,
        forget_s=settings.settle_s * _FORGET_FACTOR,
    )
    spool = Spool(home=home)
    watching = Watching(
        spool=spool,
        book=Book(cluster=site.cluster, users=site.users.list_names(), look_every_s=settings.look_every_s),
        users=site.users,
        allotting=Allotting(cluster=site.cluster, gres=settings.gres),
        waits=waits,
        log_bytes_max=site.wrapping.bounds.log_bytes_max,
        clock=clock,
    )
    return SlurmEngine(
        spool=spool,
        cluster=site.cluster,
        users=site.users,
        watching=watching,
        layout=site.layout,
        waits=waits,
        wrapping=bare if reason else site.wrapping,
        profiles=[base.profile for base in profiles],
        sandbox_reason=reason,
        closed=closed,
        clock=clock,
    )


def prove_sandbox(*, home: Path, settings: SlurmSettings, profiles: Sequence[BaseProfile], wait_s: float) -> str:
    """Let a node of the cluster prove its sandbox, write down what came of it, and return why it does not hold.

    Then one of each accelerator that is open to untrusted work. Raises EngineBusy when no node came to the first; what
    was written down before stays.
    """
    site = _build_site(home=home, settings=settings, profiles=profiles)
    proven = dict(_read_proven(home))
    if os.uname().machine not in seccomp.MACHINES:
        reason = f"there is no system-call filter for {os.uname().machine}."
    elif site.users.is_single:
        reason = _SINGLE_USER
    else:
        name = site.users.list_names()[0]
        layout = replace(site.layout, place=site.layout.find_place(organisation_id=site.users.find_mapped(name)))
        prove = partial(prove_nodes, user=site.users.of(name), layout=layout, wrapping=site.wrapping, wait_s=wait_s)
        reason = prove()
        for accelerator in site.wrapping.accelerators if not reason else ():
            with suppress(EngineBusy):
                proven[accelerator] = prove(accelerator=accelerator)
    write_json(home / SANDBOX, {"reason": reason, "accelerators": proven})
    return reason


def read_sandbox_reason(*, home: Path, settings: SlurmSettings) -> str:
    """Return why untrusted work is refused, as the last probe run found it; empty when it may run."""
    if JobUsers(settings=settings, home=home).is_single:
        return _SINGLE_USER
    found = read_json(home / SANDBOX)
    return str(found.get("reason", _NEVER_PROVEN)) if found is not None else _NEVER_PROVEN


def read_closed_accelerators(*, home: Path, settings: SlurmSettings) -> dict[str, str]:
    """Return why untrusted work does not get an accelerator, for each that settings or the last proof keep from it."""
    return find_closed(opening=open_accelerators(settings=settings), proven=_read_proven(home))


def _read_proven(home: Path) -> Mapping[str, object]:
    found = (read_json(home / SANDBOX) or {}).get("accelerators")
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _build_site(*, home: Path, settings: SlurmSettings, profiles: Sequence[BaseProfile]) -> Site:
    cluster = Cluster(bin=settings.bin, conf=settings.conf, timeout_s=settings.command_timeout_s)
    python = PurePosixPath(profiles[0].interpreter if profiles else "/usr/bin/python3")
    layout = Layout(
        place=find_place(settings=settings),
        charges=settings.charges,
        jobs_folder=settings.jobs_folder,
        python=python,
        shim=PurePosixPath(place_wrapper(shared_folder=settings.shared_folder, python=python)),
        srun=PurePosixPath(settings.bin / "srun"),
    )
    bounds = Bounds(
        log_bytes_max=settings.log_mib * MIB, processes_max=settings.processes_max, files_max=settings.files_max
    )
    machine = os.uname().machine
    isolation = Isolation(
        drops_user=False,
        stages=False,
        sandboxed=True,
        system=read_system(beside=tuple(sorted({base.prefix for base in profiles}))),
        seccomp=seccomp.build_filter(machine=machine) if machine in seccomp.MACHINES else b"",
        python=str(layout.python),
    )
    return Site(
        cluster=cluster,
        users=JobUsers(settings=settings, home=home),
        layout=layout,
        wrapping=Wrapping(bounds=bounds, isolation=isolation, accelerators=open_accelerators(settings=settings).shown),
    )


def find_place(*, settings: SlurmSettings) -> Place:
    """Return where on the cluster jobs go; under which account and quality of service is another question."""
    return Place(partition=settings.partition, gres=dict(settings.gres))


def _find_message_timeout_s(cluster: Cluster) -> int:
    try:
        config = read_config(cluster=cluster)
    except EngineBusy:
        return _MESSAGE_TIMEOUT_S_DEFAULT
    return (config.complete and config.message_timeout_s) or _MESSAGE_TIMEOUT_S_DEFAULT


def read_config(*, cluster: Cluster) -> ClusterConfig:
    """Return the cluster's configuration."""
    return parse_config(text=cluster.ask(build_config_query()).output)


def place_wrapper(*, shared_folder: Path, python: PurePosixPath) -> Path:
    """Put the wrapper's files where the nodes find them, under a name that follows from them; return its path.

    python: on the nodes, and here: it compiles them, since members' jobs may not write beside them. A node with another
    version, or a failure here, costs a job some milliseconds.
    """
    contents = {Path(module.__file__ or "").name: Path(module.__file__ or "").read_bytes() for module in _WRAPPER}
    digest = sha256(b"".join(contents[name] for name in sorted(contents))).hexdigest()[:16]
    folder = shared_folder / f"wrapper-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for name, content in contents.items():
        if not (folder / name).exists():  # jobs read them while an agent starts
            write_durably(path=folder / name, content=content, mode=0o644)
        (folder / name).chmod(0o644)
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [str(python), "-I", "-S", "-m", "compileall", "-q", str(folder)],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_COMPILE_S_MAX,
            umask=0o022,
        )
    return folder / Path(shim.__file__ or "").name
