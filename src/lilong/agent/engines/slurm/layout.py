"""What stands where on the cluster, and what jobs ask it for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lilong.agent.engines.slurm.commands import Place


@dataclass(frozen=True, slots=True)
class Layout:
    """accounts: Slurm account by organisation. python, shim, srun: paths on the nodes.

    message_timeout_s: after so long the controller has taken a submission or never will.
    """

    place: Place
    accounts: Mapping[str, str]
    jobs_folder: Path
    python: PurePosixPath
    shim: PurePosixPath
    srun: PurePosixPath
    message_timeout_s: int
