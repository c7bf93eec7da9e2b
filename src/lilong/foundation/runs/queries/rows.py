"""Between rows and the frozen facts that the core decides on."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Prefetch, QuerySet

from lilong.common.time import format_moment, parse_moment
from lilong.foundation.runs.core.allocation import Ordered
from lilong.foundation.runs.core.attempts import AttemptFacts, Missing
from lilong.foundation.runs.core.billing import Bill, Meters, compute_bill
from lilong.foundation.runs.core.maintenance import Maintenance, reaches_into
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.reports import RankChain, read_chains
from lilong.foundation.runs.core.runs import RunFacts, Tried
from lilong.foundation.runs.models import Attempt, Candidate, Meter, Pool, Run
from lilong.protocol.messages import AttemptState, CheckpointNote, Fault, Reason, VolumeNote
from lilong.protocol.spec import OnFault


def read_attempt(*, row: Attempt) -> AttemptFacts:
    """Return the facts of an attempt whose meter is loaded."""
    meter = row.meter
    return AttemptFacts(
        attempt_id=row.id,
        nonce=row.nonce,
        nodes=row.nodes,
        created_at=row.created_at,
        outputs_max_bytes=row.outputs_max_bytes,
        ordered=Ordered(accelerator=row.accelerator, accelerators=row.accelerators, nodes=row.nodes),
        state=AttemptState(row.state),
        reason=Reason(row.reason) if row.reason else None,
        fault=Fault(row.fault) if row.fault else None,
        detail=row.detail,
        offered_at=row.offered_at,
        queue_wait_s=row.queue_wait_s,
        observed_at=meter.observed_at,
        expected_start_at=meter.expected_start_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        end_seen_at=row.end_seen_at,
        settled_at=row.settled_at,
        exit_code=row.exit_code,
        native_ref=row.native_ref,
        node_names=tuple(row.node_names),
        allocation_problem=row.allocation_problem,
        staging_done_bytes=meter.staging_done_bytes,
        staging_total_bytes=meter.staging_total_bytes,
        metered_ms=meter.metered_ms,
        usable_ms=meter.usable_ms,
        enforced_ms=meter.enforced_ms,
        report_key=row.report_key,
        chains={int(rank): RankChain(*chain) for rank, chain in meter.chains.items()},
        log_bytes={int(rank): size for rank, size in meter.log_bytes.items()},
        checkpoint=_read_checkpoint(row),
        volumes=tuple(VolumeNote.model_validate(note) for note in row.volumes),
        outputs_complete=row.outputs_complete,
        missing=_read_missing(row.missing),
    )


def write_attempt(*, row: Attempt, facts: AttemptFacts) -> None:
    """Put what may change of an attempt into its row."""
    row.state = facts.state.value
    row.reason = facts.reason.value if facts.reason else ""
    row.fault = facts.fault.value if facts.fault else ""
    row.detail = facts.detail[:1000]
    row.offered_at = facts.offered_at
    row.queue_wait_s = facts.queue_wait_s
    row.started_at = facts.started_at
    row.ended_at = facts.ended_at
    row.end_seen_at = facts.end_seen_at
    row.settled_at = facts.settled_at
    row.exit_code = facts.exit_code
    row.native_ref = facts.native_ref
    row.node_names = list(facts.node_names)
    row.allocation_problem = facts.allocation_problem[:500]
    row.report_key = facts.report_key
    row.checkpoint_sha256 = facts.checkpoint.manifest_sha256 if facts.checkpoint else ""
    row.checkpoint_bytes = facts.checkpoint.size_bytes if facts.checkpoint else 0
    row.volumes = [note.model_dump(mode="json") for note in facts.volumes]
    row.outputs_complete = facts.outputs_complete
    row.missing = _write_missing(facts.missing)


def write_meter(*, row: Meter, facts: AttemptFacts) -> None:
    """Put the readings of an attempt into its meter."""
    row.observed_at = facts.observed_at
    row.expected_start_at = facts.expected_start_at
    row.metered_ms = facts.metered_ms
    row.usable_ms = facts.usable_ms
    row.enforced_ms = facts.enforced_ms
    row.staging_done_bytes = facts.staging_done_bytes
    row.staging_total_bytes = facts.staging_total_bytes
    row.chains = {str(rank): _write_chain(chain) for rank, chain in facts.chains.items()}
    row.log_bytes = {str(rank): size for rank, size in facts.log_bytes.items()}


def bill_attempt(*, row: Attempt, run: Run) -> Bill:
    """Return what is billed of an attempt so far, or for good once it has settled."""
    facts = read_attempt(row=row)
    bill = compute_bill(
        Meters(
            state=facts.state,
            fault=facts.fault,
            metered_ms=facts.metered_ms,
            usable_ms=facts.usable_ms,
            reported=read_chains(facts.chains, nodes=facts.nodes),
            granted_ms=grant_ms(row=row, run=run),
            kept_checkpoint=facts.checkpoint is not None,
            started_at=facts.started_at,
            stopped_at=run.stopped_at,
            grace_s=row.grace_s,
        ),
        policy=POLICY,
    )
    if row.billable_ms is None or row.usable_ms is None:
        return bill
    return replace(bill, billable_ms=row.billable_ms, usable_ms=row.usable_ms, meters_agree=bool(row.meters_agree))


def grant_ms(*, row: Attempt, run: Run) -> int:
    """Return the authority of one attempt: what the run has, less what earlier attempts used."""
    return max(0, run.authorised_ms - row.used_before_ms)


def load_runs(*, runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return the runs with all that their next step depends on: attempts by number, candidates by position.

    Three queries, however many they are.
    """
    attempts = Attempt.objects.select_related("candidate", "meter").order_by("number")
    candidates = order_candidates()
    return runs.prefetch_related(Prefetch("attempts", queryset=attempts), Prefetch("candidates", queryset=candidates))


def order_candidates() -> QuerySet[Candidate]:
    """Return candidates by position, with their pools but for what those have."""
    return Candidate.objects.select_related("pool").defer("pool__inventory").order_by("position")


def read_maintenance(*, pool: Pool) -> Maintenance | None:
    """Return the window that was announced last, which may be over."""
    starts_at, ends_at = pool.maintenance_starts_at, pool.maintenance_ends_at
    return Maintenance(starts_at, ends_at, pool.maintenance_reason) if starts_at and ends_at else None


def takes_work(*, pool: Pool, walltime_s: int, now: datetime) -> bool:
    """Return whether a pool takes new work of this length: it is not drained, and no maintenance is in its way."""
    return pool.draining_at is None and not reaches_into(read_maintenance(pool=pool), walltime_s=walltime_s, now=now)


def list_reachable(*, run: Run, now: datetime) -> set[str]:
    """Return the pools of a loaded run's candidates that take it and whose agents have reported lately."""
    heard_after = now - timedelta(seconds=POLICY.away_after_s)
    return {
        candidate.pool_id
        for candidate in run.candidates.all()
        if takes_work(pool=candidate.pool, walltime_s=run.spec["walltime_s"], now=now)
        and candidate.pool.last_sync_at is not None
        and candidate.pool.last_sync_at >= heard_after
    }


def read_run(*, run: Run) -> RunFacts:
    """Return the facts of a run that `load_runs` has loaded."""
    return RunFacts(
        candidates=tuple(candidate.pool_id for candidate in run.candidates.all()),
        tried=tuple(_read_tried(attempt, run=run) for attempt in run.attempts.all()),
        authorised_ms=run.authorised_ms,
        max_attempts=run.spec["max_attempts"],
        on_fault=OnFault(run.spec["on_fault"]),
        stopped_at=run.stopped_at,
        stop_reason=Reason(run.stop_reason) if run.stop_reason else None,
    )


def _read_tried(attempt: Attempt, *, run: Run) -> Tried:
    return Tried(
        candidate=attempt.candidate.position,
        state=AttemptState(attempt.state),
        reason=Reason(attempt.reason) if attempt.reason else None,
        fault=Fault(attempt.fault) if attempt.fault else None,
        detail=attempt.detail,
        has_run=attempt.started_at is not None,
        settled=attempt.settled_at is not None,
        billable_ms=bill_attempt(row=attempt, run=run).billable_ms,
    )


def _write_chain(chain: RankChain) -> list[int | str | bool]:
    """Return the fields of a chain in the order in which `RankChain` takes them."""
    return [chain.next_sequence, chain.mac, chain.elapsed_ms, chain.checkpoint_ms, chain.ended, chain.broken]


def _read_checkpoint(row: Attempt) -> CheckpointNote | None:
    if not row.checkpoint_sha256:
        return None
    return CheckpointNote(manifest_sha256=row.checkpoint_sha256, size_bytes=row.checkpoint_bytes)


def _read_missing(stored: dict[str, object] | None) -> Missing:
    if not stored:
        return Missing()
    count, first_at, last_sent_at = stored["count"], stored["first_at"], stored["last_sent_at"]
    return Missing(count=int(str(count)), first_at=_moment(first_at), last_sent_at=_moment(last_sent_at))


def _write_missing(missing: Missing) -> dict[str, object] | None:
    if missing.first_at is None or missing.last_sent_at is None:
        return None
    moments = {"first_at": format_moment(missing.first_at), "last_sent_at": format_moment(missing.last_sent_at)}
    return {"count": missing.count, **moments}


def _moment(text: object) -> datetime:
    return parse_moment(str(text))
