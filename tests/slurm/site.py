"""A cluster as a provider runs it for a hub: users with accounts, the helper, and what an agent is told of it."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lilong.agent.engines.port import BaseProfile
from lilong.agent.engines.slurm.assembly import prove_sandbox
from lilong.agent.engines.slurm.install import Installation, install, plan_installation
from lilong.agent.engines.slurm.settings import AcceleratorSettings, SlurmSettings
from lilong.agent.environments import read_profile
from tests.slurm.cluster import SlurmCluster, running_cluster, shared_folder
from tests.slurm.configuration import CONTROL_DEVICE
from tests.slurm.users import temporary_users

GROUP = "lilong-tm"
ACCOUNT = "lilong"
GRES = {"h100-sxm5": "gpu:h100", "ascend-910b": "gpu:ascend910b"}
PYTHON = Path("/usr/bin/python3")
PROOF_WITHIN_S = 60
CLUSTERS: Mapping[str, str] = MappingProxyType({"a": "bookworm", "b": "trixie"})
# A node that is back before it was missed says that it has no job; one that was started just now may be on its way.
MISSES_SOON = MappingProxyType({"BatchStartTimeout": "2"})


@dataclass(frozen=True, slots=True)
class Site:
    """A running cluster, the users of agent and jobs, and the settings of an agent; a test's own may also run as root.

    sandbox_reason: why its nodes run no untrusted work, empty when one of them has proven that they do.
    installation: of the helper; no sudo reads its line of sudoers, since tests ask sudo as root.
    """

    cluster: SlurmCluster
    agent_user: str
    users: tuple[str, ...]
    folder: Path
    settings: SlurmSettings
    profile: BaseProfile
    sandbox_reason: str
    installation: Installation


def open_to_all(cluster: SlurmCluster) -> AcceleratorSettings:
    """Return what opens an accelerator to untrusted work here."""
    control, nowhere = (str(cluster.devices / name) for name in (CONTROL_DEVICE, "nowhere"))
    return AcceleratorSettings(untrusted=True, common=(control,), optional=(nowhere,))


@contextmanager
def running_site(
    *, suite: str, users: int = 2, name: str = "lilong", settings: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """Run a cluster of this Debian release, ready to be joined; `settings` are lines of its slurm.conf."""
    with ExitStack() as stack:
        folder = stack.enter_context(shared_folder())
        [agent_user] = stack.enter_context(temporary_users(1))
        group = f"{GROUP}{secrets.token_hex(4)}"  # its own: another run's users would outlive a shared one
        names = stack.enter_context(temporary_users(users, group=group))
        cluster = stack.enter_context(
            running_cluster(folder / "cluster", suite=suite, name=name, settings=settings or {})
        )
        cluster.add_account(ACCOUNT, (*names, agent_user))
        cluster.run("sacctmgr", "--immediate", "modify", "user", agent_user, "set", "adminlevel=operator")
        wanted = Installation(
            agent_user=agent_user,
            group=group,
            shared_folder=folder / "jobs",
            bin_folder=cluster.bin,
            slurm_conf=cluster.conf,
            helper=folder / "libexec" / "job-helper",
            settings=folder / "job-helper.json",
            sudoers=folder / "sudoers",
        )
        (folder / "libexec").mkdir(mode=0o755)
        install(steps=plan_installation(wanted=wanted))
        (folder / "agent").mkdir(mode=0o755)
        shutil.chown(folder / "agent", agent_user)
        told = SlurmSettings(
            shared_folder=folder / "agent",
            jobs_folder=wanted.shared_folder,
            partition="low",
            service_users=names,
            account=ACCOUNT,
            gres=GRES,
            accelerators={"h100-sxm5": open_to_all(cluster)},
            slurmd=cluster.slurmd,
            helper=wanted.helper,
            bin=cluster.bin,
            conf=cluster.conf,
            look_every_s=0.3,
            settle_s=4,
        )
        profile = read_profile(name="python3", interpreter=PYTHON, for_other_users=True)
        reason = prove_sandbox(home=folder, settings=told, profiles=[profile], wait_s=PROOF_WITHIN_S)
        yield Site(
            cluster=cluster,
            agent_user=agent_user,
            users=names,
            folder=folder,
            settings=told,
            profile=profile,
            sandbox_reason=reason,
            installation=wanted,
        )


@contextmanager
def running_pair(*, settings: Mapping[str, Mapping[str, str]] | None = None) -> Iterator[tuple[Site, ...]]:
    """Run one cluster of each release, named as in CLUSTERS, that soon miss the jobs of a node that was killed.

    settings: further lines of slurm.conf, by release.
    """
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                running_site(
                    suite=suite, name=name, users=1, settings={**MISSES_SOON, **(settings or {}).get(suite, {})}
                )
            )
            for name, suite in CLUSTERS.items()
        )
