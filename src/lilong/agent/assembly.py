"""Put one agent together from its settings: the only place where the parts meet."""

import os
import threading
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from lilong import __version__
from lilong.agent.attempts import Attempts
from lilong.agent.background import Background
from lilong.agent.cache import ObjectCache
from lilong.agent.engines.local.capacity import split_machine
from lilong.agent.engines.local.engine import LocalEngine
from lilong.agent.engines.local.host import read_memory_mib
from lilong.agent.engines.local.probe import Found, probe_machine
from lilong.agent.engines.port import BaseProfile, Engine
from lilong.agent.engines.slurm.assembly import build_slurm_engine
from lilong.agent.environments import EnvironmentStore, ProfileUnusable, read_profile
from lilong.agent.hub import HubClient
from lilong.agent.loop import MIB, AgentLoop, Lease
from lilong.agent.settings import AgentSettings, LocalSettings
from lilong.agent.spool import Spool
from lilong.agent.staging import SecretFolders, Stager
from lilong.agent.uploads import Uploads
from lilong.agent.work import Work
from lilong.common.time import utc_now

_MEMORY_SHARE_PERCENT = 85

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine gives to jobs: profiles, cores, memory, and how jobs are isolated."""

    profiles: dict[str, BaseProfile]
    unusable: dict[str, ProfileUnusable]
    cores: tuple[int, ...]
    memory_mib: int
    found: Found


def read_profiles(
    *, profiles: dict[str, Path], for_other_users: bool
) -> tuple[dict[str, BaseProfile], dict[str, ProfileUnusable]]:
    """Return the base interpreters that can be used, and why the others cannot."""
    usable: dict[str, BaseProfile] = {}
    unusable: dict[str, ProfileUnusable] = {}
    for name, interpreter in profiles.items():
        try:
            usable[name] = read_profile(name=name, interpreter=interpreter, for_other_users=for_other_users)
        except ProfileUnusable as error:
            unusable[name] = error
    return usable, unusable


def examine_machine(*, home: Path, profiles: dict[str, Path], local: LocalSettings) -> Machine:
    """Read the base profiles and prove the sandbox by a run; takes about half a second. Refuses nothing, tells all."""
    usable, unusable = read_profiles(profiles=profiles, for_other_users=os.geteuid() == 0)
    cores = tuple(sorted(os.sched_getaffinity(0)))[: local.cores]
    memory_mib = local.memory_mib or read_memory_mib()[0] * _MEMORY_SHARE_PERCENT // 100
    beside = sorted({base.prefix for base in usable.values()})
    interpreter = next((base.interpreter for base in usable.values()), Path("/usr/bin/python3"))
    found = probe_machine(
        home=home, limits=local.find_limits(home=home), interpreter=interpreter, beside=beside, cores=cores
    )
    return Machine(profiles=usable, unusable=unusable, cores=cores, memory_mib=memory_mib, found=found)


def build_engine(*, home: Path, settings: AgentSettings, machine: Machine, lease: Lease) -> LocalEngine:
    """Return the embedded engine on this machine."""
    nodes = split_machine(
        name=os.uname().nodename[:60] or "node",
        cores=machine.cores,
        memory_mib=machine.memory_mib,
        nodes=settings.local.nodes,
    )
    return LocalEngine(
        spool=Spool(home=home),
        nodes=nodes,
        profiles=[base.profile for base in machine.profiles.values()],
        limits=settings.local.find_limits(home=home),
        isolation=machine.found.isolation,
        groups=machine.found.groups,
        sandbox_reason=machine.found.reason,
        trusted_reason=machine.found.trusted_reason,
        may_start=lease.holds,
        clock=utc_now,
    )


def _build_any_engine(*, home: Path, settings: AgentSettings, lease: Lease) -> tuple[Engine, dict[str, BaseProfile]]:
    """Return the engine that the settings name, and the base interpreters for its jobs."""
    if settings.slurm is not None:
        profiles, unusable = read_profiles(profiles=settings.profiles, for_other_users=True)
        engine: Engine = build_slurm_engine(
            home=home, settings=settings.slurm, profiles=list(profiles.values()), clock=utc_now
        )
    else:
        machine = examine_machine(home=home, profiles=settings.profiles, local=settings.local)
        profiles, unusable = machine.profiles, machine.unusable
        engine = build_engine(home=home, settings=settings, machine=machine, lease=lease)
    for error in unusable.values():
        log.error("profile refused", code=error.code, detail=error.detail, next_step=error.next_step)
    reason = engine.caps().sandbox_reason
    if reason:
        log.warning("untrusted work is refused", reason=reason)
    return engine, profiles


def build_loop(*, home: Path, settings: AgentSettings, executor: Executor, wake: threading.Event) -> AgentLoop:
    """Return an agent that is ready to run; `wake` is set whenever a step in a thread is done."""
    lease = Lease()
    spool = Spool(home=home)
    engine, profiles = _build_any_engine(home=home, settings=settings, lease=lease)
    hub = HubClient(hub_url=settings.hub_url, pool_token=settings.pool_token)
    cache = ObjectCache(folder=home / "cache", hub=hub)
    shared = settings.slurm.shared_folder if settings.slurm else home
    environments = EnvironmentStore(folder=shared / "environments", profiles=profiles, packages=settings.packages)
    secrets = SecretFolders(home=home)
    secrets.drop_others({folder.attempt_id for folder in spool.list_live()})
    uploads = Uploads(hub=hub, engine=engine)
    stager = Stager(cache=cache, free_disk_bytes=settings.free_disk_mib * MIB)
    work = Work(
        engine=engine, stager=stager, environments=environments, secrets=secrets, uploads=uploads, clock=utc_now
    )
    attempts = Attempts(
        spool=spool,
        engine=engine,
        work=work,
        environments=environments,
        secrets=secrets,
        uploads=uploads,
        background=Background(executor=executor, on_done=wake.set),
        clock=utc_now,
    )
    return AgentLoop(
        home=home,
        settings=settings,
        version=__version__,
        boot_id=uuid4().hex,
        spool=spool,
        engine=engine,
        attempts=attempts,
        hub=hub,
        cache=cache,
        environments=environments,
        lease=lease,
        wake=wake,
        clock=utc_now,
    )
