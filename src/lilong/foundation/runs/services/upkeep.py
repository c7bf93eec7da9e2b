"""What must happen though nobody calls: silence, next attempts, ends, keeping what was made, letting go of the rest.

Work is found from tables alone, a bounded amount a call; two callers at once do no harm.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from lilong.foundation.runs.core.attempts import AttemptFacts
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import OPEN_STATES, list_other_candidates
from lilong.foundation.runs.core.silence import Surroundings, decide_silence
from lilong.foundation.runs.models import Attempt, JoinToken, Pool, Resolution, Run
from lilong.foundation.runs.queries.rows import grant_ms, list_reachable, load_runs, read_attempt, read_run, takes_work
from lilong.foundation.runs.services.attempts import advance_runs, save_attempts
from lilong.foundation.runs.services.environments import RESOLUTION_LIFE
from lilong.foundation.runs.services.keeping import keep_run
from lilong.foundation.runs.services.logs import delete_logs
from lilong.protocol.messages import Reason

BATCH = 200


def reconcile_runs(*, now: datetime) -> int:
    """Do what is due and return how many things were done."""
    return _break_silences(now) + _advance(now) + _keep(now) + _delete_logs(now) + _forget(now)


def _break_silences(now: datetime) -> int:
    """Look at the clock for attempts of which the tables say that something may follow from silence."""
    pool_ids = _list_silent(now).values_list("pool_id", flat=True).distinct()
    changed = 0
    for pool_id in sorted(set(pool_ids)):
        with transaction.atomic():
            pool = Pool.objects.select_for_update(no_key=True).get(id=pool_id)
            rows = list(_list_silent(now).filter(pool=pool).select_related("run", "meter").order_by("id")[:BATCH])
            steps = [(row, read_attempt(row=row), _decide(row, pool, now=now)) for row in rows]
            settled = [row.run_id for row, _, facts in steps if facts.settled_at is not None]
            save_attempts(steps=steps)
            advance_runs(run_ids=settled, now=now)
        changed += len(settled)
    return changed


def _list_silent(now: datetime) -> QuerySet[Attempt]:
    def before(seconds: int) -> datetime:
        return now - timedelta(seconds=seconds)

    return Attempt.objects.filter(
        Q(offered_at=None)
        | Q(end_seen_at__lte=before(POLICY.outputs_timeout_s))
        | Q(run__stopped_at__lte=before(POLICY.stop_timeout_s))
        | Q(pool__last_sync_at__lte=before(POLICY.abandon_after_s)),
        settled_at=None,
    )


def _decide(row: Attempt, pool: Pool, *, now: datetime) -> AttemptFacts:
    run = row.run
    around = Surroundings(
        last_sync_at=pool.last_sync_at,
        pool_takes_work=takes_work(pool=pool, walltime_s=row.walltime_s, now=now),
        left_ms=max(0, grant_ms(row=row, run=run) - row.meter.metered_ms),
        grace_s=row.grace_s,
        stopped_at=run.stopped_at,
        stop_reason=Reason(run.stop_reason) if run.stop_reason else None,
        other_pools=_list_other_pools(run, now=now) if row.offered_at is None else (),
    )
    return decide_silence(read_attempt(row=row), around, now=now, policy=POLICY)


def _list_other_pools(run: Run, *, now: datetime) -> tuple[str, ...]:
    loaded = load_runs(runs=Run.objects.filter(id=run.id)).get()
    return list_other_candidates(read_run(run=loaded), reachable=list_reachable(run=loaded, now=now))


def _advance(now: datetime) -> int:
    """Bring runs forward whose attempts have all settled, or whose start was not noted."""
    mine = Attempt.objects.filter(run=OuterRef("pk"))
    due = Run.objects.filter(
        ~Exists(mine.filter(settled_at=None)) | Q(Exists(mine.exclude(started_at=None)), started_at=None),
        state__in=OPEN_STATES,
    )
    run_ids = list(due.order_by("id").values_list("id", flat=True)[:BATCH])
    if run_ids:
        with transaction.atomic():
            advance_runs(run_ids=run_ids, now=now)
    return len(run_ids)


def _keep(now: datetime) -> int:
    due = Run.objects.filter(kept_at=None).exclude(finished_at=None).order_by("id").values_list("id", flat=True)
    run_ids = list(due[:BATCH])
    for run_id in run_ids:
        keep_run(run_id=run_id, now=now)
    return len(run_ids)


def _delete_logs(now: datetime) -> int:
    """Delete logs of runs that finished longer ago than the setting says."""
    over = Run.objects.filter(
        logs_deleted_at=None, finished_at__lte=now - timedelta(days=settings.LILONG.log_keep_days)
    ).order_by("finished_at")
    runs = list(over[:BATCH].prefetch_related("attempts"))
    for run in runs:
        for attempt in run.attempts.all():
            delete_logs(attempt_id=attempt.id)
    if runs:
        with transaction.atomic():
            Run.objects.filter(id__in=[run.id for run in runs]).update(logs_deleted_at=now)
    return len(runs)


def _forget(now: datetime) -> int:
    """Delete join tokens that have expired and resolutions that are no longer used."""
    tokens = JoinToken.objects.filter(expires_at__lte=now)
    resolutions = Resolution.objects.filter(resolved_at__lte=now - RESOLUTION_LIFE)
    if not tokens.exists() and not resolutions.exists():
        return 0
    with transaction.atomic():
        return tokens.delete()[0] + resolutions.delete()[0]
