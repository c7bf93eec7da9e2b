"""Look at what an agent needs before and while it serves, and say of each thing that is wrong how to mend it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lilong.agent.assembly import examine_machine, read_profiles
from lilong.agent.engines.slurm.assembly import prove_sandbox, read_closed_accelerators, read_sandbox_reason
from lilong.agent.engines.slurm.examining import examine_cluster
from lilong.agent.engines.slurm.preflight import Judgement, judge_cluster
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.environments import ProfileUnusable
from lilong.agent.hub import HubAway, HubClient, HubRefused
from lilong.agent.settings import AgentSettings, LocalSettings, read_settings
from lilong.common.errors import EngineBusy, FieldProblem

PROOF_WAIT_S = 120.0
_NOTHING = "0" * 64


@dataclass(frozen=True, slots=True)
class Preflight:
    """What an agent on this machine could do.

    refusals: what makes it impossible; warnings: what it will refuse to do, or what is less safe than it could be.
    Each is a sentence with its fix, under the name of the setting or thing that it is about.
    """

    profiles: tuple[str, ...]
    cores: int
    memory_mib: int
    sandbox: bool
    refusals: tuple[FieldProblem, ...]
    warnings: tuple[FieldProblem, ...]


def check_machine(*, home: Path, profiles: dict[str, Path], local: LocalSettings) -> Preflight:
    """Examine this machine as the agent will at its start, a run in the sandbox included; `home` is made."""
    home.mkdir(parents=True, exist_ok=True)
    machine = examine_machine(home=home, profiles=profiles, local=local)
    reason = machine.found.reason
    return Preflight(
        profiles=tuple(machine.profiles),
        cores=len(machine.cores),
        memory_mib=machine.memory_mib,
        sandbox=not reason,
        refusals=() if machine.profiles else (_no_profile(),),
        warnings=(*_warn_of_sandbox(reason), *_warn_of_profiles(machine.unusable)),
    )


def check_cluster(
    *, home: Path, profiles: dict[str, Path], slurm: SlurmSettings, find_sandbox_reason: Callable[[], str]
) -> Preflight:
    """Examine the cluster behind this login node as the agent will serve it.

    find_sandbox_reason: why untrusted work is refused, empty when it is not; asked only where nothing is refused, and
    before a look at what is known of accelerators.
    """
    usable, unusable = read_profiles(profiles=profiles, for_other_users=True)
    cores = memory_mib = 0
    try:
        facts = examine_cluster(home=home, settings=slurm)
    except EngineBusy as error:
        message = f"The cluster does not answer: {error.detail} See whether slurmctld runs, and `bin` and `conf`."
        problem = FieldProblem(path="slurm", code="agent.cluster_silent", message=message)
        judgement = Judgement(refusals=(problem,), warnings=())
    else:
        judgement = judge_cluster(facts=facts)
        cores = sum(node.cores_total for node in facts.nodes.nodes)
        memory_mib = sum(node.memory_mib_total for node in facts.nodes.nodes)
    refusals = (*(() if usable else (_no_profile(),)), *judgement.refusals)
    reason = "" if refusals else find_sandbox_reason()
    closed = {} if refusals or reason else read_closed_accelerators(home=home, settings=slurm)
    return Preflight(
        profiles=tuple(usable),
        cores=cores,
        memory_mib=memory_mib,
        sandbox=not refusals and not reason,
        refusals=refusals,
        warnings=(
            *_warn_of_sandbox(reason),
            *_warn_of_accelerators(closed),
            *_warn_of_profiles(unusable),
            *judgement.warnings,
        ),
    )


def check_agent(*, home: Path) -> Preflight:
    """Examine what the agent in `home` serves, and whether its hub knows it. Nothing is changed, and no job is run.

    Raises AgentSettingsInvalid.
    """
    settings = read_settings(home)
    if settings.slurm is not None:
        last_proof = partial(read_sandbox_reason, home=home, settings=settings.slurm)
        found = check_cluster(
            home=home, profiles=settings.profiles, slurm=settings.slurm, find_sandbox_reason=last_proof
        )
    else:
        found = check_machine(home=home, profiles=settings.profiles, local=settings.local)
    return replace(found, refusals=(*_judge_hub(settings), *found.refusals))


def prove_cluster(*, home: Path, profiles: dict[str, Path], slurm: SlurmSettings) -> str:
    """Let a node prove its sandbox and return why untrusted work is refused; empty when it is not."""
    usable, _ = read_profiles(profiles=profiles, for_other_users=True)
    try:
        return prove_sandbox(home=home, settings=slurm, profiles=list(usable.values()), wait_s=PROOF_WAIT_S)
    except EngineBusy as error:
        return f"{error.detail} `lilong agent prove` tries again."


def _judge_hub(settings: AgentSettings) -> tuple[FieldProblem, ...]:
    """Ask the hub for something that is not there: only whoever it knows is told so."""
    hub = HubClient(hub_url=settings.hub_url, pool_token=settings.pool_token)
    try:
        hub.find_upload_offset(attempt_id="none", sha256=_NOTHING)
    except HubAway as error:
        message = f"{settings.hub_url} does not answer: {error.detail} Jobs that run go on; see whether the hub runs."
        return (FieldProblem(path="hub_url", code="agent.hub_silent", message=message),)
    except HubRefused as error:
        message = f"{settings.hub_url} refuses this agent: {error.detail} `lilong agent join` with a new join token."
        return (FieldProblem(path="pool_token", code="agent.token_refused", message=message),)
    finally:
        hub.close()
    return ()


def _no_profile() -> FieldProblem:
    message = "No base interpreter can be used: name one under [profiles]."
    return FieldProblem(path="profiles", code="agent.no_profile", message=message)


def _warn_of_sandbox(reason: str) -> tuple[FieldProblem, ...]:
    message = f"Untrusted work is refused here: {reason}"
    return (FieldProblem(path="sandbox", code="agent.no_sandbox", message=message),) if reason else ()


def _warn_of_accelerators(closed: Mapping[str, str]) -> tuple[FieldProblem, ...]:
    return tuple(
        FieldProblem(
            path=f"accelerators.{accelerator}",
            code="agent.accelerator_closed",
            message=f"Untrusted work, as runs are by default, gets no {accelerator}: {reason}",
        )
        for accelerator, reason in closed.items()
    )


def _warn_of_profiles(unusable: Mapping[str, ProfileUnusable]) -> tuple[FieldProblem, ...]:
    return tuple(
        FieldProblem(
            path=f"profiles.{name}", code="agent.profile_left_out", message=f"{error.detail} {error.next_step}"
        )
        for name, error in unusable.items()
    )
