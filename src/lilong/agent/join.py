"""Make this machine the agent of a pool: look at the machine first, spend the join token, write agent.toml."""

import os
from dataclasses import dataclass
from pathlib import Path

from lilong import __version__
from lilong.agent.assembly import examine_machine, read_profiles
from lilong.agent.engines.slurm.assembly import examine_cluster, prove_sandbox
from lilong.agent.engines.slurm.preflight import judge_cluster
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.hub import HubClient
from lilong.agent.settings import (
    FILE_NAME,
    AgentSettings,
    LocalSettings,
    PackageSettings,
    check_hub_url,
    write_new_settings,
)
from lilong.common.errors import Conflict, EngineBusy, InputInvalid
from lilong.protocol.messages import PROTOCOL_VERSION, JoinRequest

PROOF_WAIT_S = 120.0
_NO_PROFILE = "No base interpreter can be used: name one under [profiles]."


class HomeTaken(Conflict):
    """The folder belongs to an agent already."""

    code = "agent.home_taken"
    title = "There is an agent in this folder"
    next_step = "Choose another folder, or delete its agent.toml if that agent is gone for good."


class MachineUnfit(InputInvalid):
    """This machine can run nothing as it is; the join token is not spent."""

    code = "agent.machine_unfit"
    title = "This machine cannot serve a pool yet"
    next_step = "Correct what is named here and join again with the same token."


@dataclass(frozen=True, slots=True)
class Preflight:
    """What an agent on this machine could do.

    refusals: what makes it impossible; warnings: what it will refuse to do, with the fix in each sentence.
    """

    profiles: tuple[str, ...]
    cores: int
    memory_mib: int
    sandbox: bool
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """The pool that this agent now serves, and what was found on the machine."""

    pool_id: str
    hub_id: str
    preflight: Preflight


def check_machine(*, home: Path, profiles: dict[str, Path], local: LocalSettings) -> Preflight:
    """Examine this machine as the agent will at its start, a run in the sandbox included; `home` is made."""
    home.mkdir(parents=True, exist_ok=True)
    machine = examine_machine(home=home, profiles=profiles, local=local)
    warnings = [f"Profile {name}: {error.detail} {error.next_step}" for name, error in machine.unusable.items()]
    if machine.found.reason:
        warnings.append(f"Untrusted work is refused here: {machine.found.reason}")
    refusals = [] if machine.profiles else [_NO_PROFILE]
    return Preflight(
        profiles=tuple(machine.profiles),
        cores=len(machine.cores),
        memory_mib=machine.memory_mib,
        sandbox=not machine.found.reason,
        refusals=tuple(refusals),
        warnings=tuple(warnings),
    )


def check_cluster(*, home: Path, profiles: dict[str, Path], slurm: SlurmSettings) -> Preflight:
    """Examine the cluster behind this login node as the agent will serve it; raises EngineBusy."""
    usable, unusable = read_profiles(profiles=profiles, for_other_users=True)
    facts = examine_cluster(home=home, settings=slurm)
    judgement = judge_cluster(facts=facts)
    refusals = [*judgement.refusals] if usable else [_NO_PROFILE, *judgement.refusals]
    reason = "" if refusals else prove_cluster(home=home, profiles=profiles, slurm=slurm)
    return Preflight(
        profiles=tuple(usable),
        cores=sum(node.cores_total for node in facts.nodes.nodes),
        memory_mib=sum(node.memory_mib_total for node in facts.nodes.nodes),
        sandbox=not refusals and not reason,
        refusals=tuple(refusals),
        warnings=(
            *([f"Untrusted work is refused here: {reason}"] if reason else []),
            *(f"Profile {name}: {error.detail} {error.next_step}" for name, error in unusable.items()),
            *judgement.warnings,
        ),
    )


def prove_cluster(*, home: Path, profiles: dict[str, Path], slurm: SlurmSettings) -> str:
    """Let a node prove its sandbox and return why untrusted work is refused; empty when it is not."""
    usable, _ = read_profiles(profiles=profiles, for_other_users=True)
    try:
        return prove_sandbox(home=home, settings=slurm, profiles=list(usable.values()), wait_s=PROOF_WAIT_S)
    except EngineBusy as error:
        return f"{error.detail} `lilong agent prove` tries again."


def join_pool(
    *,
    home: Path,
    hub_url: str,
    join_token: str,
    profiles: dict[str, Path] | None = None,
    local: LocalSettings | None = None,
    slurm: SlurmSettings | None = None,
    packages: PackageSettings | None = None,
) -> Joined:
    """Join the pool of `join_token` and write agent.toml, in this order; the token is spent by the hub's answer.

    Raises HubAddressRefused, HomeTaken, HubAway and HubRefused; nothing is written then.
    """
    check_hub_url(hub_url)
    if (home / FILE_NAME).exists():
        raise HomeTaken(detail=str(home))
    chosen = profiles or {"python3": Path("/usr/bin/python3")}
    if slurm is not None:
        home.mkdir(parents=True, exist_ok=True)
        preflight = check_cluster(home=home, profiles=chosen, slurm=slurm)
    else:
        preflight = check_machine(home=home, profiles=chosen, local=local or LocalSettings())
    if preflight.refusals:
        raise MachineUnfit(detail=" ".join(preflight.refusals))
    hub = HubClient(hub_url=hub_url, pool_token=None)
    try:
        answer = hub.join(
            JoinRequest(
                protocol_version=PROTOCOL_VERSION,
                join_token=join_token,
                agent_version=__version__,
                hostname=os.uname().nodename[:200],
            )
        )
    finally:
        hub.close()
    settings = AgentSettings(
        hub_url=hub_url,
        hub_id=answer.hub_id,
        pool_id=answer.pool_id,
        pool_token=answer.pool_token,
        profiles=chosen,
        local=local or LocalSettings(),
        slurm=slurm,
        packages=packages or PackageSettings(),
    )
    write_new_settings(home, settings=settings)
    return Joined(pool_id=answer.pool_id, hub_id=answer.hub_id, preflight=preflight)
