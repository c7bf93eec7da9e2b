"""Make this machine the agent of a pool: look at the machine first, spend the join token, write agent.toml."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lilong import __version__
from lilong.agent.checks import Preflight, check_cluster, check_machine, prove_cluster
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
from lilong.common.errors import Conflict, InputInvalid
from lilong.protocol.messages import PROTOCOL_VERSION, JoinRequest


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
class Joined:
    """The pool that this agent now serves, and what was found on the machine."""

    pool_id: str
    hub_id: str
    preflight: Preflight


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
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        proof = partial(prove_cluster, home=home, profiles=chosen, slurm=slurm)
        preflight = check_cluster(home=home, profiles=chosen, slurm=slurm, find_sandbox_reason=proof)
    else:
        preflight = check_machine(home=home, profiles=chosen, local=local or LocalSettings())
    if preflight.refusals:
        raise MachineUnfit(fields=preflight.refusals)
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
