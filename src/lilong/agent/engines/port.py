"""The one port behind which every engine stands. One contract suite (tests/contract) runs against all adapters.

Rules for all: `submit` and `cancel` may be repeated without effect; nothing but `EngineRefused`, `EngineBusy` and
`EngineLost` is raised on purpose; an answer that may be partial says so, because silence is never an answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lilong.common.errors import FieldProblem, LilongError
from lilong.protocol.messages import (
    Allocation,
    AttemptState,
    Capabilities,
    EnvironmentLock,
    Fault,
    Inventory,
    Profile,
    Reason,
    SignedReport,
    Usage,
)
from lilong.protocol.spec import RunSpec

TERMINAL_STATES = frozenset(
    {
        AttemptState.SUCCEEDED,
        AttemptState.FAILED,
        AttemptState.CANCELLED,
        AttemptState.PREEMPTED,
        AttemptState.TIMED_OUT,
        AttemptState.REJECTED,
        AttemptState.LOST,
    }
)


@dataclass(frozen=True, slots=True)
class BaseProfile:
    """A base interpreter: its real path, its prefix, and what the hub is told of it."""

    interpreter: Path
    prefix: Path
    profile: Profile


@dataclass(frozen=True, slots=True)
class Job:
    """All that an engine needs to start one attempt, whose files the agent has staged in `folder`.

    token: ours, part of the native name; report_key: hexadecimal key of the wrapper's reports, made by the agent;
    environment_folder: the built environment; secrets_folder: empty path when the spec names no secret.
    charge_code: see `Submit`; so is queue_wait_s: the engine withdraws what still queues then, and never what has left
    the queue.
    """

    attempt_id: str
    run_id: str
    number: int
    organisation_id: str
    charge_code: str
    hub_id: str
    token: str
    nonce: str
    report_key: str = field(repr=False)
    spec: RunSpec
    environment: EnvironmentLock
    authorised_ms: int
    folder: Path
    environment_folder: Path
    secrets_folder: Path | None
    queue_wait_s: int | None


@dataclass(frozen=True, slots=True)
class NativeState:
    """What the engine knows of one job. Reason and fault are set when it waits or has ended; log_bytes by rank.

    expected_start_at: when the engine's scheduler expects to start it, while it is QUEUED; None where unknown.
    allocated: what the engine's own books say that it was given; empty where they do not tell.
    """

    state: AttemptState
    reason: Reason | None = None
    fault: Fault | None = None
    detail: str = ""
    expected_start_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    nodes: tuple[str, ...] = ()
    allocated: tuple[Allocation, ...] = ()
    log_bytes: Mapping[int, int] = field(default_factory=dict[int, int])


@dataclass(frozen=True, slots=True)
class Observed:
    """States by native ref. A ref that is missing from a complete answer is unknown to the engine, not gone."""

    states: Mapping[str, NativeState]
    complete: bool


@dataclass(frozen=True, slots=True)
class OwnedJob:
    """A native job that carries one of our tokens."""

    ref: str
    attempt_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a job would start, in seconds from now; None where the engine cannot say. `basis` says how it knows."""

    p50_s: int | None
    p90_s: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class Metered:
    """The engine's own accounting of one job and the wrapper's signed reports, all ranks, in order per rank."""

    usage: Usage
    reports: tuple[SignedReport, ...] = ()


class Engine(Protocol):
    """One endpoint that runs jobs."""

    def caps(self) -> Capabilities:
        """Return what this engine can do. Cheap; fixed while the agent runs."""
        ...

    def probe(self) -> Inventory:
        """Return every node with what is free on it now. No side effect."""
        ...

    def validate(self, *, spec: RunSpec) -> list[FieldProblem]:
        """Return why this engine can never run `spec`, by field; empty when it can. No side effect."""
        ...

    def estimate(self, *, spec: RunSpec) -> Estimate:
        """Return when `spec` would start if it were submitted now. No side effect."""
        ...

    def submit(self, *, job: Job) -> str:
        """Start `job` and return its native ref, which carries hub id and token.

        Same token, same ref, and never a second native job, however often and wherever a call before was cut off.
        Raises EngineRefused (never), EngineBusy (later), EngineLost (unknown: look with `list_owned`).
        """
        ...

    def observe(self, *, refs: Sequence[str]) -> Observed:
        """Return the state of each ref that the engine finds, in bulk; `complete` only if it could look everywhere."""
        ...

    def list_owned(self, *, hub_id: str) -> Sequence[OwnedJob]:
        """Return every native job that carries a token of this hub, ended ones included while the engine knows them."""
        ...

    def cancel(self, *, ref: str, reason: Reason, grace_s: int) -> None:
        """Ask the job to end by its stop signal, then kill it after the grace; the end is observed later.

        Returns at once. An unknown or ended ref is no error.
        """
        ...

    def extend(self, *, ref: str, authorised_ms: int) -> None:
        """Let the job run until its metered time reaches `authorised_ms`; enforced where the job runs, without us."""
        ...

    def logs(self, *, ref: str, rank: int, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of a rank's log from byte `offset`; empty where there are none yet."""
        ...

    def usage(self, *, refs: Sequence[str]) -> Mapping[str, Metered]:
        """Return cumulative metered use by ref, also of ended jobs; refs without any record are left out."""
        ...


class CanStage(ABC):
    """An engine whose jobs run in folders that are not the agent's: files are brought there and fetched from there."""

    @abstractmethod
    def bring(self, *, job: Job, on_bytes: Callable[[int], None]) -> None:
        """Put all that `job.folder` holds where the job will run, whole or not at all; may be repeated until `submit`.

        on_bytes: told of every part that has arrived. Raises EngineRefused, EngineBusy and EngineLost.
        """

    @abstractmethod
    def fetch(self, *, ref: str, wanted: Mapping[str, int]) -> None:
        """Bring the files below these paths of an ended job's work folder to the agent's, which is emptied first.

        wanted: most bytes by path; where there are more, so many come that the excess shows.
        """

    @abstractmethod
    def drop(self, *, attempt_id: str) -> None:
        """Delete what an attempt left where it ran; the hub has all that is kept. Without effect when it is gone."""


class CanSubmitMany(ABC):
    """An engine to which many jobs cost little more than one when they are submitted together."""

    @abstractmethod
    def submit_many(self, *, jobs: Sequence[Job]) -> Mapping[str, str | LilongError]:
        """Submit each of `jobs` as `Engine.submit` does; return by attempt id the ref, or what it would raise."""
