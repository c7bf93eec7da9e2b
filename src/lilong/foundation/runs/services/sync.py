"""The one bulk call of an agent: what it observed goes in, what should be comes out. Idempotent.

A bounded number of queries, however many attempts a pool has; only rows that changed are written.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.foundation.runs.core.epochs import Standing, Superseded, decide_epoch
from lilong.foundation.runs.models import Pool, UnknownAttempt
from lilong.foundation.runs.queries.pools import get_hub_id, read_inventory
from lilong.foundation.runs.services.attempts import advance_runs, save_attempts
from lilong.foundation.runs.services.commands import list_commands, list_commands_for_unknown
from lilong.foundation.runs.services.pools import check_protocol
from lilong.foundation.runs.services.sightings import (
    Sighting,
    count_absences,
    list_wanted_reports,
    load_sightings,
    observe,
)
from lilong.protocol.messages import PROTOCOL_VERSION, Observation, SyncRequest, SyncResponse

LEASE_S = 60
INTERVAL_PER_ATTEMPT_S = 0.005
ADVANCES_PER_SYNC_MAX = 50


class AgentSuperseded(Conflict):
    """Another agent has joined this pool since; this one must start nothing and stop itself."""

    code = "runs.agent_superseded"
    title = "Another agent serves this pool now"
    next_step = "Stop one of the two agents; join again with a new token if it is the wrong one that goes on."


def sync(*, pool_id: str, request: SyncRequest, now: datetime) -> SyncResponse:
    """Take in what the agent of a pool observed, and answer what it is to do.

    An agent under a stale epoch gets no commands. Raises ProtocolUnknown and AgentSuperseded.
    """
    check_protocol(version=request.protocol_version)
    with transaction.atomic():
        pool = Pool.objects.select_for_update(no_key=True).get(id=pool_id)
        _note_agent(pool, request, now=now)
        is_current = request.epoch == pool.epoch
        sightings, strangers = load_sightings(pool=pool, request=request)
        observe(sightings=sightings, inventory=request.inventory or read_inventory(stored=pool.inventory), now=now)
        if is_current and request.complete:
            count_absences(sightings=sightings, request=request, now=now)
        unknown = _note_unknown(pool, sightings, request, now=now)
        commands = list_commands(pool=pool, sightings=sightings, now=now) if is_current else []
        commands += list_commands_for_unknown(observations=unknown, unchanged=strangers) if is_current else []
        to_advance = [item.row.run_id for item in sightings if item.has_started or item.has_settled]
        wanted = list_wanted_reports(sightings=sightings)
        save_attempts(steps=[(item.row, item.before, item.facts) for item in sightings])
        advance_runs(run_ids=to_advance[:ADVANCES_PER_SYNC_MAX], now=now)
    return SyncResponse(
        protocol_version=PROTOCOL_VERSION,
        hub_id=get_hub_id(),
        epoch=pool.epoch,
        server_time=now,
        commands=tuple(commands),
        reports_wanted=wanted,
        lease_s=LEASE_S,
        interval_s=max(settings.LILONG.agent_interval_s, len(sightings) * INTERVAL_PER_ATTEMPT_S),
        keep_spool_s=settings.LILONG.agent_keep_spool_hours * 3600,
    )


def _note_agent(pool: Pool, request: SyncRequest, *, now: datetime) -> None:
    """Note who speaks for the pool and what it has; raises AgentSuperseded for one that another followed."""
    standing = Standing(epoch=pool.epoch, boot_id=pool.boot_id, past_boot_ids=tuple(pool.past_boot_ids))
    decided = decide_epoch(standing, boot_id=request.boot_id, epoch=request.epoch)
    if isinstance(decided, Superseded):
        raise AgentSuperseded(facts={"pool_id": pool.id})
    pool.epoch, pool.boot_id, pool.past_boot_ids = decided.epoch, decided.boot_id, list(decided.past_boot_ids)
    pool.agent_version, pool.last_sync_at = request.agent_version, now
    pool.clock_skew_ms = (request.sent_at - now) // timedelta(milliseconds=1)
    if request.inventory is not None:
        pool.inventory = request.inventory.model_dump(mode="json")
    pool.save()


def _note_unknown(
    pool: Pool, sightings: Sequence[Sighting], request: SyncRequest, *, now: datetime
) -> list[Observation]:
    """Keep jobs that no row explains for the operator to see, and return them. No query when there are none."""
    known = {sighting.row.id for sighting in sightings}
    unknown = {seen.attempt_id: seen for seen in request.observations if seen.attempt_id not in known}
    if not unknown:
        return []
    rows = {row.attempt_id: row for row in UnknownAttempt.objects.filter(pool=pool, attempt_id__in=list(unknown))}
    changed = [
        UnknownAttempt(
            id=new_id("unk"),
            pool=pool,
            attempt_id=attempt_id,
            native_ref=seen.native_ref,
            state=seen.state.value,
            metered_ms=seen.usage.metered_ms,
            first_seen_at=now,
            changed_at=now,
        )
        for attempt_id, seen in unknown.items()
        if attempt_id not in rows or rows[attempt_id].state != seen.state
    ]
    UnknownAttempt.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["pool", "attempt_id"],
        update_fields=["native_ref", "state", "metered_ms", "changed_at"],
    )
    return list(unknown.values())
