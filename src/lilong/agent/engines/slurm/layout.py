"""What stands where on the cluster, and what jobs ask it for."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lilong.agent.engines.slurm.charging import Charges
from lilong.agent.engines.slurm.commands import Place

HELPER_S_MAX = 60  # by then the helper has ended whatever it started for us


@dataclass(frozen=True, slots=True)
class Layout:
    """place: but for account and quality of service, which `charges` say. python, shim, srun: paths on the nodes."""

    place: Place
    charges: Charges
    jobs_folder: Path
    python: PurePosixPath
    shim: PurePosixPath
    srun: PurePosixPath

    def find_place(self, *, organisation_id: str, charge_code: str = "") -> Place:
        """Return where an organisation's jobs under a charge code go."""
        account, qos = self.charges.choose(organisation_id=organisation_id, charge_code=charge_code)
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
