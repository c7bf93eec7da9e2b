"""Frozen messages between hub and agent: one idempotent sync call carries all of them, bytes travel beside it.

Everything an agent reports is cumulative, so a message that is late, doubled or out of order is harmless.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from lilong.protocol.spec import Frozen, RunSpec, Sha256

Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]*$", max_length=200)]
Sentence = Annotated[str, Field(max_length=1000)]
HexKey = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){0,64}$")]

PROTOCOL_VERSION = 1
PROTOCOL_VERSIONS_SPOKEN = (1,)
HEARTBEAT_S = 5
REPORTS_PER_OBSERVATION_MAX = 1_000


class AttemptState(StrEnum):
    """Where one try stands. The table of what follows what is in `foundation/runs/core`."""

    CREATED = "created"
    SUBMITTED = "submitted"
    QUEUED = "queued"
    STAGING = "staging"
    STARTING = "starting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    TIMED_OUT = "timed_out"
    REJECTED = "rejected"
    LOST = "lost"


class Fault(StrEnum):
    """Whose fault an end is; it decides who pays."""

    MEMBER = "member"
    PROVIDER = "provider"
    HUB = "hub"
    NOBODY = "nobody"


class Reason(StrEnum):
    """Why an attempt waits or ended; each has one usual fault party in the state table."""

    COMPLETED = "completed"
    EXIT_NONZERO = "exit_nonzero"
    KILLED_BY_SIGNAL = "killed_by_signal"
    MEMORY_EXCEEDED = "memory_exceeded"
    DISK_EXCEEDED = "disk_exceeded"
    PROCESSES_EXCEEDED = "processes_exceeded"
    OUTPUT_EXCEEDED = "output_exceeded"
    OUTPUT_MISSING = "output_missing"
    WALLTIME_REACHED = "walltime_reached"
    AUTHORITY_REACHED = "authority_reached"
    CANCELLED_BY_MEMBER = "cancelled_by_member"
    CANCELLED_BY_HUB = "cancelled_by_hub"
    SPEC_REFUSED = "spec_refused"
    ISOLATION_MISSING = "isolation_missing"
    ENVIRONMENT_FAILED = "environment_failed"
    STAGING_FAILED = "staging_failed"
    SHIM_LOST = "shim_lost"
    NODE_LOST = "node_lost"
    AGENT_LOST = "agent_lost"
    PREEMPTED_BY_PROVIDER = "preempted_by_provider"
    ENGINE_REFUSED = "engine_refused"
    QUEUE_WAIT_EXCEEDED = "queue_wait_exceeded"
    WAITING_FOR_CAPACITY = "waiting_for_capacity"


class Profile(Frozen):
    """A base environment of the pool: name, Python version such as 3.11.2, platform tag such as linux_x86_64."""

    name: Word
    python_version: Word
    platform: Word


class AcceleratorInventory(Frozen):
    """Accelerators of one kind on one node, by registry id."""

    accelerator: Word
    total: Count
    free: Count
    drained: Count = 0


class NodeInventory(Frozen):
    """One node as the engine sees it now; memory in MiB."""

    name: Word
    cores_total: Count
    cores_free: Count
    memory_mib_total: Count
    memory_mib_free: Count
    accelerators: tuple[AcceleratorInventory, ...] = ()
    healthy: bool = True


class Capabilities(Frozen):
    """What the engine behind the pool can do."""

    engine: Word
    gang: bool
    sandbox: bool
    network: bool
    accounting: bool
    sandbox_reason: Sentence = ""


class Inventory(Frozen):
    """The pool as observed at one moment."""

    observed_at: AwareDatetime
    capabilities: Capabilities
    profiles: tuple[Profile, ...]
    nodes: tuple[NodeInventory, ...]


class ReportKind(StrEnum):
    """What the job wrapper reports: its start, a heartbeat every HEARTBEAT_S, its end."""

    START = "start"
    HEARTBEAT = "heartbeat"
    END = "end"


class SignedReport(Frozen):
    """One report of the job wrapper of one rank, chained by HMAC-SHA256 under the attempt's report key.

    mac covers nonce, attempt, rank, sequence, kind, elapsed_ms, checkpoint_ms and the previous mac (64 zeros at first),
    joined by newlines. elapsed_ms is on the monotonic clock since the rank's start; checkpoint_ms is the elapsed time
    at which the newest complete checkpoint was written, 0 for none.
    """

    rank: Count
    sequence: Count
    kind: ReportKind
    elapsed_ms: Count
    checkpoint_ms: Count = 0
    mac: Sha256


class Usage(Frozen):
    """Cumulative metered use of one attempt: milliseconds during which all ranks ran.

    metered_ms: by the engine; usable_ms: up to the newest checkpoint; authorised_ms: what the agent enforces now.
    """

    metered_ms: Count = 0
    usable_ms: Count = 0
    authorised_ms: Count = 0


class Artefact(Frozen):
    """One kept file, already uploaded; path relative to the work folder."""

    path: Annotated[str, Field(min_length=1, max_length=512)]
    sha256: Sha256
    size_bytes: Count


class CheckpointNote(Frozen):
    """A checkpoint folder, already uploaded as a manifest and its files."""

    manifest_sha256: Sha256
    size_bytes: Count


class VolumeNote(Frozen):
    """The content of a volume that was mounted for writing, already uploaded as a manifest and its files."""

    volume_id: Word
    manifest_sha256: Sha256
    size_bytes: Count


class Allocation(Frozen):
    """Accelerators of one kind, by registry id, that the engine gave an attempt on one node."""

    node: Word
    accelerator: Word
    count: Count


class Observation(Frozen):
    """What the agent knows of one attempt.

    outputs_complete: the attempt has ended and everything that can be kept was uploaded; until then the hub waits.
    expected_start_at: when the engine's scheduler expects to start it, while it queues; None where it does not say.
    log_bytes: size of each rank's log in the spool, by rank. report_key: hexadecimal, made by the agent per attempt.
    allocated: the accelerators of all nodes at once, by the engine's own books; empty where it does not tell.
    reports: those that the hub lacks (see `SyncResponse.reports_wanted`), in order of sequence within a rank and
    without a gap, at most REPORTS_PER_OBSERVATION_MAX; report_counts: how many the spool holds, by rank.
    """

    attempt_id: Word
    native_ref: Word = ""
    state: AttemptState
    reason: Reason | None = None
    fault: Fault | None = None
    detail: Sentence = ""
    observed_at: AwareDatetime
    expected_start_at: AwareDatetime | None = None
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    nodes: tuple[Word, ...] = ()
    allocated: tuple[Allocation, ...] = ()
    staging_done_bytes: Count = 0
    staging_total_bytes: Count = 0
    usage: Usage = Usage()
    report_key: HexKey = ""
    reports: Annotated[tuple[SignedReport, ...], Field(max_length=REPORTS_PER_OBSERVATION_MAX)] = ()
    report_counts: dict[int, Count] = Field(default_factory=dict)
    log_bytes: dict[int, Count] = Field(default_factory=dict)
    artefacts: tuple[Artefact, ...] = ()
    checkpoint: CheckpointNote | None = None
    volumes: tuple[VolumeNote, ...] = ()
    outputs_complete: bool = False


class SyncRequest(Frozen):
    """All that the agent has to say; `complete` means that every attempt the engine owns is observed or unchanged.

    unchanged: attempts that live and that the agent told of before under this epoch, in a sync that was answered: of
    them only progress may be new (usage, reports, sizes of logs, the expected start), and it is told in one of the next
    syncs.
    absent: attempts that a command named (Locate, Cancel, Extend or Release) and that neither the engine's queue nor
    its accounting knows; only what a complete look found missing stands here.
    """

    protocol_version: int
    agent_version: Word
    epoch: Count
    boot_id: Word
    sent_at: AwareDatetime
    complete: bool
    inventory: Inventory | None = None
    absent: tuple[Word, ...] = ()
    unchanged: tuple[Word, ...] = ()
    observations: tuple[Observation, ...] = ()


class EnvironmentLock(Frozen):
    """Resolved packages for one profile: `lock` is a requirements file with hashes; digest names the built environment.

    digest = SHA-256 of profile name, Python version, platform and lock, each followed by a newline.
    """

    profile: str
    python_version: str
    platform: str
    lock: str
    digest: Sha256


class Submit(Frozen):
    """Start this attempt unless the engine already has it: same attempt id, same native job.

    token goes into the native job's name. nonce goes into every report of the job wrapper.
    charge_code: an opaque text under which the hub books what is paid for the run; empty where there is none. Jobs of
    one code may have limits of their own on an engine.
    volumes: manifest of each volume of `spec.inputs` that has content, by volume id; one without content starts empty.
    queue_wait_s: how long it may stand in the engine's queue (None: as long as it takes). Then the engine withdraws it,
    also while the hub is away, unless it has left the queue: it ends REJECTED by QUEUE_WAIT_EXCEEDED.
    """

    kind: Literal["submit"] = "submit"
    attempt_id: str
    run_id: str
    number: int = Field(ge=1)
    organisation_id: str
    charge_code: str = ""
    token: str
    nonce: str
    spec: RunSpec
    environment: EnvironmentLock
    checkpoint_sha256: Sha256 | None = None
    volumes: dict[str, Sha256] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    authorised_ms: Count
    queue_wait_s: Count | None = None
    epoch: Count


class Cancel(Frozen):
    """Stop this attempt: ask by signal, then kill after the grace. Repeated until the end is observed."""

    kind: Literal["cancel"] = "cancel"
    attempt_id: str
    reason: Reason
    grace_s: Count


class Extend(Frozen):
    """Let this attempt run until its metered time reaches `authorised_ms` (never lowered below what was used)."""

    kind: Literal["extend"] = "extend"
    attempt_id: str
    authorised_ms: Count


class Locate(Frozen):
    """Look for this attempt in the engine's queue and accounting: observe it again, or name it in `absent`."""

    kind: Literal["locate"] = "locate"
    attempt_id: str
    token: str


class Release(Frozen):
    """The hub has everything of this attempt: it is observed no more, and its spool may go after `keep_spool_s`.

    A rise of the epoch takes the release back: what the spool still holds is observed and offered again.
    """

    kind: Literal["release"] = "release"
    attempt_id: str


Command = Annotated[Submit | Cancel | Extend | Locate | Release, Field(discriminator="kind")]


class SyncResponse(Frozen):
    """What the hub wants. Commands repeat in every answer until an observation shows their effect.

    epoch: the hub's; an agent with a lower one adopts it, gets no commands this time, reports everything anew and
    offers every kept object again before it says outputs_complete: the hub may have been restored from a backup.
    reports_wanted: for each attempt whose observation had report_counts, by rank, the sequence to send from (0 first).
    lease_s: without a successful sync for so long the agent submits nothing new (what runs goes on to its authority).
    """

    protocol_version: int
    hub_id: str
    epoch: int
    server_time: AwareDatetime
    commands: tuple[Command, ...] = ()
    reports_wanted: dict[str, dict[int, Count]] = Field(default_factory=dict)
    lease_s: int
    interval_s: float
    keep_spool_s: int


class JoinRequest(Frozen):
    """A new agent presents its single-use join token."""

    protocol_version: int
    join_token: str
    agent_version: Word
    hostname: Word


class JoinResponse(Frozen):
    """The pool that the agent now serves and its token, shown once."""

    pool_id: str
    pool_token: str
    hub_id: str
    epoch: int
