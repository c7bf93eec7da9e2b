"""The table [slurm] of agent.toml."""

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lilong.agent.engines.slurm.charging import Charges

Positive = Annotated[int, Field(ge=1)]


def _require_plain(path: str) -> str:
    if not path.startswith("/") or PurePosixPath(path).as_posix() != path or ".." in path.split("/") or path == "/":
        raise ValueError("It has to be a plain absolute path.")
    return path


NodePath = Annotated[str, AfterValidator(_require_plain)]


class AcceleratorSettings(BaseModel):
    """What the sandbox of untrusted work shows of an accelerator, beside the devices that Slurm gives to the job.

    untrusted: whether it shows any: its driver is then open to strangers' code. common: device files that all of the
    kind share; optional: the same, where a node has them; read_only: files and folders of the driver outside of /usr.
    Those left out are as known of the vendor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    untrusted: bool = False
    common: tuple[NodePath, ...] | None = None
    optional: tuple[NodePath, ...] | None = None
    read_only: tuple[NodePath, ...] | None = None


class SlurmSettings(BaseModel):
    """A Slurm cluster behind this login node; with this table the agent serves it in place of its own machine.

    shared_folder: seen under this path on the login node and on every node, writable by the agent; built environments
    and the wrapper lie in it. jobs_folder: the same for members' files, see `lilong agent install-helper`.
    users: the account of an organisation here, by organisation id; service_users: accounts lent to one organisation at
    a time. account, qos: the Slurm account and quality of service of jobs, empty for their users' own defaults; those
    by_organisation, by organisation id, come before them, and those by_programme, by the id of the programme that pays
    most, before both. gres: the generic resource that an accelerator of the registry is here. accelerators: which of
    them untrusted work may use. slurmd: where the nodes have it. look_every_s: how often the queue is read. settle_s:
    for so long the shared file system may hide what a node has written. bin, conf: where the cluster's programs and
    slurm.conf are, if not where programs look by themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shared_folder: Path
    jobs_folder: Path
    partition: str
    users: dict[str, str] = Field(default_factory=dict)
    service_users: tuple[str, ...] = ()
    account: str = ""
    accounts_by_organisation: dict[str, str] = Field(default_factory=dict)
    accounts_by_programme: dict[str, str] = Field(default_factory=dict)
    qos: str = ""
    qos_by_organisation: dict[str, str] = Field(default_factory=dict)
    qos_by_programme: dict[str, str] = Field(default_factory=dict)
    gres: dict[str, str] = Field(default_factory=dict)
    accelerators: dict[str, AcceleratorSettings] = Field(default_factory=dict[str, AcceleratorSettings])
    slurmd: Path = Path("/usr/sbin/slurmd")
    helper: Path = Path("/usr/local/libexec/lilong/job-helper")
    bin: Path = Path("/usr/bin")
    conf: Path | None = None
    look_every_s: Annotated[float, Field(gt=0)] = 5.0
    command_timeout_s: Positive = 20
    settle_s: Positive = 60
    log_mib: Positive = 64
    files_max: Positive = 200_000
    processes_max: Positive = 4096

    @property
    def charges(self) -> Charges:
        """Under which account and quality of service jobs go."""
        return Charges(
            account=self.account,
            qos=self.qos,
            accounts_by_organisation=self.accounts_by_organisation,
            accounts_by_programme=self.accounts_by_programme,
            qos_by_organisation=self.qos_by_organisation,
            qos_by_programme=self.qos_by_programme,
        )
