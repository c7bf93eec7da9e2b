"""Write attempts in bulk, and bring runs forward when their attempts have moved."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from secrets import token_hex

from lilong.common.ids import new_id
from lilong.foundation.outbox.public import emit
from lilong.foundation.runs.core.attempts import AttemptFacts
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import OPEN_STATES, Finish, RunState, TryNext, decide_run
from lilong.foundation.runs.events import RunFinished, RunStarted
from lilong.foundation.runs.models import Attempt, Candidate, Meter, Run
from lilong.foundation.runs.queries.rows import (
    bill_attempt,
    list_reachable,
    load_runs,
    read_run,
    write_attempt,
    write_meter,
)
from lilong.foundation.runs.services.telling import tell_end
from lilong.protocol.spec import RunSpec

IDENTITY = {
    *("id", "run", "number", "candidate", "pool", "token", "nonce", "nodes", "walltime_s", "grace_s"),
    *("accelerator", "accelerators", "outputs_max_bytes"),
    *("used_before_ms", "start_checkpoint_sha256", "created_at"),
}
ATTEMPT_FIELDS = [field.name for field in Attempt._meta.concrete_fields if field.name not in IDENTITY]
METER_FIELDS = [field.name for field in Meter._meta.concrete_fields if field.name != "attempt"]

_BESIDE_METER = attrgetter(*(fact.name for fact in fields(AttemptFacts) if fact.name not in METER_FIELDS))


def save_attempts(*, steps: Iterable[tuple[Attempt, AttemptFacts, AttemptFacts]]) -> None:
    """Write what attempts have become: rows with their facts before and after. Nothing is written of what is the same.

    At most two queries. Must run under the lock of the attempts' pools. With its settlement a bill is frozen.
    """
    attempts: list[Attempt] = []
    meters: list[Meter] = []
    for row, before, after in steps:
        if after == before:
            continue
        write_meter(row=row.meter, facts=after)
        meters.append(row.meter)
        if _BESIDE_METER(after) == _BESIDE_METER(before):
            continue
        write_attempt(row=row, facts=after)
        if after.settled_at is not None and row.billable_ms is None:
            bill = bill_attempt(row=row, run=row.run)
            row.billable_ms, row.usable_ms, row.meters_agree = bill.billable_ms, bill.usable_ms, bill.meters_agree
        attempts.append(row)
    # Inserted over themselves: one statement, where an UPDATE of each row would be many.
    Attempt.objects.bulk_create(attempts, update_conflicts=True, unique_fields=["id"], update_fields=ATTEMPT_FIELDS)
    Meter.objects.bulk_create(meters, update_conflicts=True, unique_fields=["attempt"], update_fields=METER_FIELDS)


def advance_runs(*, run_ids: Collection[str], now: datetime) -> None:
    """Take the next step of each run: note its start, make its next attempt, or finish it. Idempotent.

    Locks the runs by id; whoever holds locks of pools may call it.
    """
    if not run_ids:
        return
    runs = list(Run.objects.filter(id__in=run_ids, state__in=OPEN_STATES).select_for_update().order_by("id"))
    for run in load_runs(runs=Run.objects.filter(id__in=[run.id for run in runs])):
        _advance(run, now=now)


def create_attempt(
    *, run: Run, candidate: Candidate, number: int, used_ms: int, checkpoint_sha256: str, now: datetime
) -> None:
    """Make an attempt of the run on a candidate; the token that names its native job is written before the job is."""
    spec = RunSpec.model_validate(run.spec)
    attempt = Attempt.objects.create(
        id=new_id("att"),
        run=run,
        number=number,
        candidate=candidate,
        pool_id=candidate.pool_id,
        token=token_hex(16),
        nonce=token_hex(16),
        nodes=spec.nodes,
        walltime_s=spec.walltime_s,
        accelerator=spec.resources.accelerator or "",
        accelerators=spec.resources.accelerators,
        grace_s=spec.checkpoint.grace_s if spec.checkpoint else POLICY.grace_s,
        outputs_max_bytes=sum(output.max_bytes for output in spec.outputs),
        used_before_ms=used_ms,
        start_checkpoint_sha256=checkpoint_sha256,
        created_at=now,
    )
    Meter.objects.create(attempt=attempt)


def _advance(run: Run, *, now: datetime) -> None:
    attempts = list(run.attempts.all())
    starts = [attempt.started_at for attempt in attempts if attempt.started_at is not None]
    if starts and run.started_at is None:
        run.started_at = min(starts)
        run.state = RunState.ACTIVE if run.state == RunState.PENDING else run.state
        run.save(update_fields=["started_at", "state"])
        emit(event=RunStarted(run_id=run.id))
    step = decide_run(read_run(run=run), reachable=list_reachable(run=run, now=now), policy=POLICY)
    if isinstance(step, TryNext):
        create_attempt(
            run=run,
            candidate=run.candidates.all()[step.candidate],
            number=len(attempts) + 1,
            used_ms=step.used_ms,
            checkpoint_sha256=_find_checkpoint(attempts),
            now=now,
        )
    elif isinstance(step, Finish):
        run.state, run.reason, run.fault = step.state, step.reason, step.fault
        run.detail, run.finished_at = step.detail, now
        run.save(update_fields=["state", "reason", "fault", "detail", "finished_at"])
        emit(event=RunFinished(run_id=run.id))
        tell_end(run=run, now=now)


def _find_checkpoint(attempts: Sequence[Attempt]) -> str:
    """Return the newest checkpoint that any attempt left, or nothing."""
    return next((row.checkpoint_sha256 for row in reversed(attempts) if row.checkpoint_sha256), "")
