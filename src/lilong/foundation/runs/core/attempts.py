"""What the hub makes of observations, misses and silence: one attempt in, the same attempt one step on.

Every step is idempotent, and observations of one agent may come late, twice or in any order: what counts only grows,
what describes follows the newest, an end is final.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lilong.common.sentences import say
from lilong.foundation.runs.core.allocation import Ordered, find_allocation_problem
from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.reports import RankChain, extend_chains, is_complete
from lilong.foundation.runs.core.table import HAS_RUN_PHASE, REASONS, STATES, explain_end, next_state
from lilong.protocol.messages import AttemptState, CheckpointNote, Fault, NodeInventory, Observation, Reason, VolumeNote

NEVER_STARTED = say("It never started.")
NOTHING_ORDERED = Ordered()
QUEUE_SLACK_S = 5
"""How much earlier than the hub an engine may think that a wait in its queue is over: clocks differ."""
EXPECTED_START_AHEAD_MAX = timedelta(days=366)
"""A later start, or one as long ago, is no word of a scheduler that plans."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Complete looks of the agent that did not find the attempt, since it was last seen."""

    count: int = 0
    first_at: datetime | None = None
    last_sent_at: datetime | None = None


NOT_MISSING = Missing()


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One attempt as the hub knows it. Identity first, then what the hub decided, then what agents reported.

    offered_at: when an agent was first told of it; before that no agent can have started it. queue_wait_s: what it was
    told then of the time in its queue. expected_start_at: by the engine's scheduler, while it queues.
    allocation_problem: why what the engine gave is not what was ordered. settled_at: since then nothing changes what is
    billed. outputs_complete: everything worth keeping is kept.
    """

    attempt_id: str
    nonce: str
    nodes: int
    created_at: datetime
    outputs_max_bytes: int = 0
    ordered: Ordered = NOTHING_ORDERED
    state: AttemptState = AttemptState.CREATED
    reason: Reason | None = None
    fault: Fault | None = None
    detail: str = ""
    offered_at: datetime | None = None
    queue_wait_s: int | None = None
    observed_at: datetime | None = None
    expected_start_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    end_seen_at: datetime | None = None
    settled_at: datetime | None = None
    exit_code: int | None = None
    native_ref: str = ""
    node_names: tuple[str, ...] = ()
    allocation_problem: str = ""
    staging_done_bytes: int = 0
    staging_total_bytes: int = 0
    metered_ms: int = 0
    usable_ms: int = 0
    enforced_ms: int = 0
    report_key: str = ""
    chains: Mapping[int, RankChain] = field(default_factory=dict[int, RankChain])
    log_bytes: Mapping[int, int] = field(default_factory=dict[int, int])
    checkpoint: CheckpointNote | None = None
    volumes: tuple[VolumeNote, ...] = ()
    outputs_complete: bool = False
    missing: Missing = NOT_MISSING

    @property
    def has_ended(self) -> bool:
        """Whether the state is an end."""
        return STATES[self.state].has_ended

    @property
    def has_run(self) -> bool:
        """Whether the command of the member was ever seen running."""
        return self.started_at is not None or (not self.has_ended and STATES[self.state].phase >= HAS_RUN_PHASE)


def decide_attempt(
    attempt: AttemptFacts,
    observation: Observation,
    *,
    kept: Container[str],
    stopped_at: datetime | None,
    pool_nodes: Mapping[str, NodeInventory] | None = None,
    now: datetime,
) -> AttemptFacts:
    """Return the attempt after one observation.

    kept: digests that this attempt has uploaded whole; the outputs are complete only when all that the observation
    names are among them. stopped_at: when the hub asked for the stop, if it did. pool_nodes: what the pool says each
    node has, by name. After settlement only outputs, log sizes and the completeness of the outputs still change.
    """
    outputs = _take_outputs(attempt, observation, kept=kept)
    if attempt.settled_at is not None:
        return replace(outputs, checkpoint=attempt.checkpoint)
    described = _take_allocation(_take_description(outputs, observation), observation, pool_nodes=pool_nodes or {})
    metered = _take_meters(described, observation, now=now)
    stepped = _take_state(metered, observation, stopped_at=stopped_at, now=now)
    reports_complete = is_complete(stepped.chains, counts=observation.report_counts, nodes=stepped.nodes)
    if stepped.has_ended and observation.outputs_complete and outputs.outputs_complete and reports_complete:
        return replace(stepped, settled_at=now)
    return stepped


def decide_absence(
    attempt: AttemptFacts, *, sent_at: datetime, stopped_at: datetime | None, now: datetime, policy: Policy
) -> AttemptFacts:
    """Return the attempt after a complete look of the agent found it neither in the queue nor in the accounting.

    Only `misses_until_lost` such looks over `lost_after_s` make it LOST; a stop that no job ever felt is then done.
    The same look told twice counts once.
    """
    missing = attempt.missing
    if attempt.has_ended or (missing.last_sent_at is not None and sent_at <= missing.last_sent_at):
        return attempt
    first_at = missing.first_at or now
    missing = Missing(count=missing.count + 1, first_at=first_at, last_sent_at=sent_at)
    attempt = replace(attempt, missing=missing)
    if missing.count < policy.misses_until_lost or now - first_at < timedelta(seconds=policy.lost_after_s):
        return attempt
    if stopped_at is not None and not attempt.has_run:
        return end_attempt(attempt, state=AttemptState.CANCELLED, reason=None, detail=NEVER_STARTED, now=now)
    looks = f"The engine no longer knows the job: {missing.count} complete looks and its accounting did not find it."
    return end_attempt(attempt, state=AttemptState.LOST, reason=Reason.NODE_LOST, detail=looks, now=now)


def end_attempt(
    attempt: AttemptFacts, *, state: AttemptState, reason: Reason | None, detail: str, now: datetime
) -> AttemptFacts:
    """Return the attempt ended by the hub itself, without outputs to wait for.

    Should the agent see it alive after all, it is told to cancel it.
    """
    explained = explain_end(state, reason=reason)
    return replace(
        attempt,
        state=state,
        reason=explained,
        fault=REASONS[explained].fault,
        detail=detail,
        expected_start_at=None,
        ended_at=attempt.ended_at or now,
        end_seen_at=now,
        settled_at=now,
    )


def _take_outputs(attempt: AttemptFacts, observation: Observation, *, kept: Container[str]) -> AttemptFacts:
    """Merge what was uploaded. A log only grows; a checkpoint counts once it is kept."""
    log_bytes = dict(attempt.log_bytes)
    for rank, size in observation.log_bytes.items():
        if 0 <= rank < attempt.nodes:
            log_bytes[rank] = max(size, log_bytes.get(rank, 0))
    named = [artefact.sha256 for artefact in observation.artefacts]
    named += [volume.manifest_sha256 for volume in observation.volumes]
    checkpoint = attempt.checkpoint
    if observation.checkpoint is not None:
        named.append(observation.checkpoint.manifest_sha256)
        if _is_newest(attempt, observation) and observation.checkpoint.manifest_sha256 in kept:
            checkpoint = observation.checkpoint
    complete = observation.outputs_complete and all(sha256 in kept for sha256 in named)
    if log_bytes == attempt.log_bytes and checkpoint == attempt.checkpoint and not complete:
        return attempt
    return replace(
        attempt,
        log_bytes=log_bytes,
        checkpoint=checkpoint,
        volumes=observation.volumes if complete else attempt.volumes,
        outputs_complete=attempt.outputs_complete or complete,
    )


def _take_description(attempt: AttemptFacts, observation: Observation) -> AttemptFacts:
    """Follow the newest observation in all that only describes; the earliest start is the start.

    Nothing starts before an agent was told of it, whatever its clock says.
    """
    starts = [attempt.started_at] if attempt.started_at is not None else []
    if observation.started_at is not None:
        starts.append(max(observation.started_at, attempt.offered_at or attempt.created_at))
    started_at = min(starts, default=None)
    if attempt.missing != NOT_MISSING or started_at != attempt.started_at:
        attempt = replace(attempt, missing=NOT_MISSING, started_at=started_at)
    if not _is_newest(attempt, observation):
        return attempt
    return replace(
        attempt,
        observed_at=observation.observed_at,
        native_ref=observation.native_ref or attempt.native_ref,
        detail=observation.detail.replace("\0", " "),
        expected_start_at=_believe_start(observation),
        node_names=observation.nodes or attempt.node_names,
        staging_done_bytes=observation.staging_done_bytes,
        staging_total_bytes=observation.staging_total_bytes,
        enforced_ms=observation.usage.authorised_ms,
    )


def _take_allocation(
    attempt: AttemptFacts, observation: Observation, *, pool_nodes: Mapping[str, NodeInventory]
) -> AttemptFacts:
    """Note what shows that something else was given; what was shown once stays. Of several, the first by alphabet."""
    problem = find_allocation_problem(
        attempt.ordered, allocated=observation.allocated, node_names=observation.nodes, pool_nodes=pool_nodes
    )
    known = attempt.allocation_problem
    first = min(filter(None, (known, problem)), default="")
    return attempt if first == known else replace(attempt, allocation_problem=first)


def _take_meters(attempt: AttemptFacts, observation: Observation, *, now: datetime) -> AttemptFacts:
    """Grow the meters, never beyond the time that has passed since an agent was told of the attempt."""
    passed_ms = max(0, (now - (attempt.offered_at or attempt.created_at)) // timedelta(milliseconds=1))
    report_key = attempt.report_key or observation.report_key
    chains = attempt.chains
    if report_key and observation.reports:
        chains = extend_chains(
            chains,
            observation.reports,
            key=bytes.fromhex(report_key),
            nonce=attempt.nonce,
            attempt_id=attempt.attempt_id,
            nodes=attempt.nodes,
        )
    return replace(
        attempt,
        metered_ms=max(attempt.metered_ms, min(observation.usage.metered_ms, passed_ms)),
        usable_ms=max(attempt.usable_ms, min(observation.usage.usable_ms, passed_ms)),
        report_key=report_key,
        chains=chains,
    )


def _take_state(
    attempt: AttemptFacts, observation: Observation, *, stopped_at: datetime | None, now: datetime
) -> AttemptFacts:
    if attempt.has_ended:
        return attempt
    is_old = attempt.observed_at != observation.observed_at
    state = next_state(attempt.state, observation.state)
    if is_old and STATES[state].phase == STATES[attempt.state].phase:
        return attempt
    if not STATES[state].has_ended:
        reason = attempt.reason if is_old else observation.reason
        is_same = state is attempt.state and reason is attempt.reason
        return attempt if is_same else replace(attempt, state=state, reason=reason)
    reason = explain_end(state, reason=_believe_reason(attempt, observation.reason, now=now))
    return replace(
        attempt,
        state=state,
        reason=reason,
        fault=_find_fault(reason, state=state, claimed=observation.fault, stopped_at=stopped_at),
        ended_at=observation.ended_at or observation.observed_at,
        end_seen_at=now,
        exit_code=observation.exit_code,
    )


def _believe_reason(attempt: AttemptFacts, reason: Reason | None, *, now: datetime) -> Reason | None:
    """Return the reason given, but for a wait in the queue that was not as long as the hub allows.

    A full queue costs a run none of its attempts; so it must cost time, or refusing at once could go on for ever.
    """
    if reason is not Reason.QUEUE_WAIT_EXCEEDED:
        return reason
    if attempt.offered_at is None or attempt.queue_wait_s is None:
        return None
    waited = now - attempt.offered_at
    return reason if waited >= timedelta(seconds=attempt.queue_wait_s - QUEUE_SLACK_S) else None


def _believe_start(observation: Observation) -> datetime | None:
    """Return when the scheduler expects to start what queues, None where no clock could mean that."""
    expected_at, said_at = observation.expected_start_at, observation.observed_at
    if observation.state is not AttemptState.QUEUED or expected_at is None:
        return None
    return expected_at if abs(expected_at - said_at) <= EXPECTED_START_AHEAD_MAX else None


def _find_fault(reason: Reason, *, state: AttemptState, claimed: Fault | None, stopped_at: datetime | None) -> Fault:
    """Return whose fault an end is: the table's word. An agent may take blame on its provider, never shift it away.

    Work that was cancelled though the hub never asked for it is the provider's fault.
    """
    if claimed is Fault.PROVIDER or (state is AttemptState.CANCELLED and stopped_at is None):
        return Fault.PROVIDER
    return REASONS[reason].fault


def _is_newest(attempt: AttemptFacts, observation: Observation) -> bool:
    return attempt.observed_at is None or observation.observed_at >= attempt.observed_at
