"""What people are told of runs and pools."""

from datetime import datetime, timedelta

from django.db import transaction

from lilong.common.time import format_moment
from lilong.foundation.notices.public import list_posted, post_notice
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.models import Pool, Run
from lilong.foundation.runs.queries.rows import takes_work
from lilong.protocol.messages import Reason

BATCH = 500
DETAIL_MAX = 500
SILENT, WAITS = "runs.pool_silent", "runs.run_waits"


def tell_end(*, run: Run, now: datetime) -> None:
    """Let whoever ordered a run know how it ended, unless it ended as that person asked."""
    if run.reason == Reason.CANCELLED_BY_MEMBER:
        return
    succeeded = run.state == RunState.SUCCEEDED
    post_notice(
        kind="runs.run_succeeded" if succeeded else "runs.run_failed",
        subject_id=run.id,
        organisation_id=run.organisation_id,
        person_ids=(run.person_id,),
        params={"name": run.name, "state": run.state, "reason": run.reason, "detail": run.detail[:DETAIL_MAX]},
        now=now,
    )


def tell_waiting(*, now: datetime) -> int:
    """Tell, once each, of runs that have waited long for their first start; return of how many."""
    before = now - timedelta(seconds=POLICY.tell_waiting_after_s)
    waiting = Run.objects.filter(state=RunState.PENDING, finished_at=None, started_at=None, created_at__lte=before)
    runs = {run.id: run for run in waiting.order_by("id")[:BATCH]}
    for told, _ in list_posted(kind=WAITS, subject_ids=list(runs)):
        del runs[told]
    with transaction.atomic():
        for run in runs.values():
            post_notice(
                kind=WAITS,
                subject_id=run.id,
                organisation_id=run.organisation_id,
                person_ids=(run.person_id,),
                params={"name": run.name, "created_at": format_moment(run.created_at)},
                now=now,
            )
    return len(runs)


def tell_silent(*, now: datetime) -> int:
    """Tell providers, once for each silence, of pools that should take work and are not seen; return of how many."""
    before = now - timedelta(seconds=POLICY.tell_silent_after_s)
    silent = {
        (pool.id, format_moment(pool.last_sync_at)): pool
        for pool in Pool.objects.filter(last_sync_at__lte=before).order_by("id")[:BATCH]
        if pool.last_sync_at is not None and takes_work(pool=pool, walltime_s=0, now=now)
    }
    known = list_posted(kind=SILENT, subject_ids=[pool_id for pool_id, _ in silent])
    fresh = {key: pool for key, pool in silent.items() if key not in known}
    with transaction.atomic():
        for (pool_id, last_seen_at), pool in fresh.items():
            post_notice(
                kind=SILENT,
                subject_id=pool_id,
                occasion=last_seen_at,
                organisation_id=pool.organisation_id,
                params={"name": pool.name, "last_seen_at": last_seen_at},
                now=now,
            )
    return len(fresh)
