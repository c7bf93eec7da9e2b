"""What stands where on the cluster, and what jobs ask it for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lilong.agent.engines.slurm.commands import Place

HELPER_S_MAX = 60  # by then the helper has ended whatever it started for us


@dataclass(frozen=True, slots=True)
class Layout:
    """accounts, qos_by_organisation: where those of `place` are not meant. python, shim, srun: paths on the nodes."""

    place: Place
    accounts: Mapping[str, str]
    qos_by_organisation: Mapping[str, str]
    jobs_folder: Path
    python: PurePosixPath
    shim: PurePosixPath
    srun: PurePosixPath

    def find_place(self, *, organisation_id: str) -> Place:
        """Return where the jobs of an organisation go."""
        account = self.accounts.get(organisation_id, self.place.account)
        qos = self.qos_by_organisation.get(organisation_id, self.place.qos)
        return replace(self.place, account=account, qos=qos)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long it takes until something is certain.

    message_timeout_s: after so long the controller has taken a submission or never will. settle_s: what a node has
    written is seen here. forget_s: accounting has heard of everything that the controller knew.
    """

    message_timeout_s: int
    settle_s: float
    forget_s: float
