"""Reads of pools and of what their agents report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import page_oldest_first
from lilong.common.errors import FieldProblem, NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import Sentence
from lilong.foundation.runs.core.checks import find_problems
from lilong.foundation.runs.core.maintenance import Maintenance, explain_maintenance
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.silence import is_away
from lilong.foundation.runs.models import Hub, Pool, UnknownAttempt
from lilong.foundation.runs.queries.rows import read_maintenance
from lilong.protocol.messages import Inventory
from lilong.protocol.spec import RunSpec

MARKED = ("last_sync_at", "draining_at", "maintenance_starts_at", "maintenance_ends_at")


class PoolMissing(NotFound):
    """There is no such pool, or it belongs to somebody else."""

    code = "runs.pool_missing"
    title = "There is no such pool"
    next_step = "List the pools that you can see with `GET /api/v1/pools`."


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool and how it is. away: its agent has been silent for so long that people are told.

    maintenance: what is announced and not over. mark: stays the same while nothing has been heard of the pool.
    """

    id: str
    organisation_id: str
    name: str
    engine: str
    created_at: datetime
    draining: bool
    maintenance: Maintenance | None
    away: bool
    last_sync_at: datetime | None
    agent_version: str
    hostname: str
    clock_skew_ms: int
    clock_skewed: bool
    inventory: Inventory | None
    mark: str

    def find_problems(self, *, spec: RunSpec) -> list[FieldProblem]:
        """Return why the pool can never run `spec`; an empty list means that it can."""
        return find_problems(spec, inventory=self.inventory)

    def explain_delay(self, *, walltime_s: int, now: datetime) -> Sentence | None:
        """Return why work of this length begins after the maintenance that is announced; None when it does not."""
        why = explain_maintenance(self.maintenance, pool=self.name, walltime_s=walltime_s, now=now)
        return why.text if why else None


@dataclass(frozen=True, slots=True)
class UnknownAttemptView:
    """A job under our token that the hub has no row of."""

    pool_id: str
    attempt_id: str
    native_ref: str
    state: str
    metered_ms: int
    first_seen_at: datetime
    changed_at: datetime


def get_hub_id() -> str:
    """Return the id of this hub; raises Hub.DoesNotExist before any pool was created."""
    return Hub.objects.values_list("id", flat=True).get()


def get_pools(*, pool_ids: Sequence[str], now: datetime, seen: Mapping[str, str] | None = None) -> dict[str, PoolView]:
    """Return the pools that exist, by id. One query.

    seen: marks of views that the caller has, by pool id. Pools that still have that mark are left out, and their
    inventories, which may be large, stay unread; a second query reads the others.
    """
    pools = Pool.objects.filter(id__in=set(pool_ids))
    if seen:
        marks = {pool.id: _mark(pool, now) for pool in pools.only("id", *MARKED)}
        pools = Pool.objects.filter(id__in=[pool_id for pool_id, mark in marks.items() if seen.get(pool_id) != mark])
    return {pool.id: view_pool(pool=pool, now=now) for pool in pools}


def get_pool(*, actor: Actor, pool_id: str, now: datetime) -> PoolView:
    """Return a pool that the actor can see; raises PoolMissing."""
    return view_pool(pool=find_own_pool(actor=actor, pool_id=pool_id), now=now)


def list_pools(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[PoolView]:
    """Return a page of the pools that the actor can see, oldest first."""
    page = page_oldest_first(Pool.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=[view_pool(pool=pool, now=now) for pool in page.items], next_cursor=page.next_cursor)


def list_unknown_attempts(*, actor: Actor, cursor: str | None, limit: int) -> Page[UnknownAttemptView]:
    """Return jobs that agents report and no order explains, oldest first; for the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    page = page_oldest_first(UnknownAttempt.objects.all(), cursor=cursor, limit=limit)
    views = [
        UnknownAttemptView(
            pool_id=row.pool_id,
            attempt_id=row.attempt_id,
            native_ref=row.native_ref,
            state=row.state,
            metered_ms=row.metered_ms,
            first_seen_at=row.first_seen_at,
            changed_at=row.changed_at,
        )
        for row in page.items
    ]
    return Page(items=views, next_cursor=page.next_cursor)


def find_own_pool(*, actor: Actor, pool_id: str) -> Pool:
    """Return the row of a pool that the actor can see; raises PoolMissing."""
    pool = Pool.objects.visible_to(actor).filter(id=pool_id).first()
    if pool is None:
        raise PoolMissing
    return pool


def read_inventory(*, stored: object) -> Inventory | None:
    """Return the inventory that a pool's row holds."""
    return Inventory.model_validate(stored) if stored else None


def view_pool(*, pool: Pool, now: datetime) -> PoolView:
    """Return the row as others see it."""
    window = read_maintenance(pool=pool)
    return PoolView(
        id=pool.id,
        organisation_id=pool.organisation_id,
        name=pool.name,
        engine=pool.engine,
        created_at=pool.created_at,
        draining=pool.draining_at is not None,
        maintenance=window if window and now < window.ends_at else None,
        away=is_away(last_sync_at=pool.last_sync_at, now=now, policy=POLICY),
        last_sync_at=pool.last_sync_at,
        agent_version=pool.agent_version,
        hostname=pool.hostname,
        clock_skew_ms=pool.clock_skew_ms,
        clock_skewed=abs(pool.clock_skew_ms) > POLICY.clock_skew_max_s * 1000,
        inventory=read_inventory(stored=pool.inventory),
        mark=_mark(pool, now),
    )


def _mark(pool: Pool, now: datetime) -> str:
    away = is_away(last_sync_at=pool.last_sync_at, now=now, policy=POLICY)
    return " ".join(str(value) for value in (*(getattr(pool, name) for name in MARKED), away))
