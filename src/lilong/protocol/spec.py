"""A RunSpec says what to run, on what, for how long at most. Frozen; its digest is what a quote prices."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lilong.common.canonical import canonical_json, sha256_hex

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, StringConstraints(min_length=1, max_length=512)]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]

WALLTIME_MAX_S = 30 * 24 * 3600
NODES_MAX = 1024
MOUNTS_MAX = 64
REQUIREMENTS_MAX = 200
SECRETS_MAX = 100
VARIABLES_MAX = 100


class Frozen(BaseModel):
    """Base of all protocol values: immutable, unknown fields ignored so that N can talk to N−1."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Isolation(StrEnum):
    """Untrusted work runs only in a sandbox that was proven; trusted work may run without one."""

    UNTRUSTED = "untrusted"
    TRUSTED = "trusted"


class Network(StrEnum):
    """What the job may reach."""

    NONE = "none"
    OUTBOUND = "outbound"


class LogVisibility(StrEnum):
    """Who may read the job's log."""

    ORGANISATION = "organisation"
    SUBMITTER = "submitter"


class OnFault(StrEnum):
    """What happens after a fault that is not the member's."""

    RETRY = "retry"
    STOP = "stop"


class EnvironmentSpec(Frozen):
    """A base profile of the pool and the packages on top of it, as requirement lines (PEP 508)."""

    profile: str = "python3"
    requirements: Annotated[tuple[str, ...], Field(max_length=REQUIREMENTS_MAX)] = ()


class Resources(Frozen):
    """What each node gives: accelerator id (None: none), count of it, cores, memory and scratch disk in MiB."""

    accelerator: str | None = None
    accelerators: int = Field(default=0, ge=0, le=64, strict=True)
    cores: int = Field(default=1, ge=1, le=1024, strict=True)
    memory_mib: int = Field(default=1024, ge=64, le=16 * 1024 * 1024, strict=True)
    disk_mib: int = Field(default=1024, ge=1, le=64 * 1024 * 1024, strict=True)


class Input(Frozen):
    """Bytes put into the work folder before start: an object by digest, or a volume by id; exactly one of the two."""

    object_sha256: Sha256 | None = None
    volume_id: str | None = None
    mount: RelativePath
    read_only: bool = Field(default=True, strict=True)


class Output(Frozen):
    """A file or folder of the work folder that is kept, and the most bytes it may have."""

    path: RelativePath
    max_bytes: int = Field(ge=1, strict=True)


class Checkpoint(Frozen):
    """A folder of the work folder that is handed to the next attempt; the signal asks the job to write it now."""

    path: RelativePath
    signal: str = "TERM"
    grace_s: int = Field(default=30, ge=0, le=3600, strict=True)


class RunSpec(Frozen):
    """The intent to do work. `nodes` ranks run the same command as a gang, one rank a node.

    workdir_sha256: digest of the manifest of the packed working folder (see `manifest.py`).
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    command: Annotated[str, StringConstraints(min_length=1, max_length=8192)]
    environment: EnvironmentSpec = EnvironmentSpec()
    resources: Resources = Resources()
    nodes: int = Field(default=1, ge=1, le=NODES_MAX, strict=True)
    variables: dict[VariableName, str] = Field(default_factory=dict, max_length=VARIABLES_MAX)
    workdir_sha256: Sha256 | None = None
    inputs: Annotated[tuple[Input, ...], Field(max_length=MOUNTS_MAX)] = ()
    outputs: Annotated[tuple[Output, ...], Field(max_length=MOUNTS_MAX)] = ()
    checkpoint: Checkpoint | None = None
    secrets: Annotated[tuple[SecretName, ...], Field(max_length=SECRETS_MAX)] = ()
    network: Network = Network.NONE
    isolation: Isolation = Isolation.UNTRUSTED
    log_visibility: LogVisibility = LogVisibility.ORGANISATION
    walltime_s: int = Field(ge=1, le=WALLTIME_MAX_S, strict=True)
    on_fault: OnFault = OnFault.RETRY
    max_attempts: int = Field(default=3, ge=1, le=20, strict=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the spec."""
        return sha256_hex(canonical_json(self.model_dump(mode="json")))
