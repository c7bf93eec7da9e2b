"""Pools over HTTP, for their keepers and for operators."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, StringConstraints

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, Id, IdInPath, LimitInQuery, Name, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.queries.pools import get_pool, list_pools, list_unknown_attempts
from lilong.foundation.runs.services.pools import (
    KEEPERS,
    announce_maintenance,
    cancel_maintenance,
    create_join_token,
    create_pool,
    set_draining,
)
from lilong.protocol.messages import AttemptState, Inventory

router = Router(tags=["pools"])

OPERATORS = frozenset({Role.OPERATOR})


class PoolIn(RequestBody):
    """A new pool of an organisation."""

    organisation_id: Id
    name: Name
    engine: Name = "local"


class PoolChangeIn(RequestBody):
    """Whether a pool takes no new work."""

    draining: bool


class MaintenanceIn(RequestBody):
    """A window in which nothing may run on a pool; its end no longer belongs to it."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


class MaintenanceOut(Schema):
    """A window that is announced and not over."""

    starts_at: datetime
    ends_at: datetime
    reason: str


class PoolOut(Schema):
    """A pool: what it has, how it is. `clock_skewed`: its clock differs from the hub's by more than 5 seconds."""

    id: str
    organisation_id: str
    name: str
    engine: str
    created_at: datetime
    draining: bool
    maintenance: MaintenanceOut | None
    away: bool
    last_sync_at: datetime | None
    agent_version: str
    hostname: str
    clock_skew_ms: int
    clock_skewed: bool
    inventory: Inventory | None


class PoolPageOut(Schema):
    """A page of pools, oldest first."""

    items: list[PoolOut]
    next_cursor: str | None


class JoinTokenOut(Schema):
    """A join token, shown once: one agent may join the pool with it."""

    token: str
    pool_id: str
    expires_at: datetime


class UnknownAttemptOut(Schema):
    """A job that an agent reports and no order explains."""

    pool_id: str
    attempt_id: str
    native_ref: str
    state: AttemptState
    metered_ms: int
    first_seen_at: datetime
    changed_at: datetime


class UnknownAttemptPageOut(Schema):
    """A page of jobs that no order explains, oldest first."""

    items: list[UnknownAttemptOut]
    next_cursor: str | None


@router.get("/pools", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: PoolPageOut, **PROBLEMS})
def list_own_pools(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the organisation's pools; an operator sees all."""
    return list_pools(actor=get_actor(request), cursor=cursor, limit=limit, now=utc_now())


@router.post("/pools", openapi_extra=allow(KEEPERS, Scope.MANAGE), response={201: PoolOut, **PROBLEMS})
def add_pool(request: HttpRequest, body: PoolIn) -> object:
    """Create a pool; the same organisation, name and engine again return the same pool."""
    actor, now = get_actor(request), utc_now()
    pool_id = create_pool(
        actor=actor, provider_organisation_id=body.organisation_id, name=body.name, engine=body.engine, now=now
    )
    return Status(201, get_pool(actor=actor, pool_id=pool_id, now=now))


@router.get("/pools/{pool_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: PoolOut, **PROBLEMS})
def show_pool(request: HttpRequest, pool_id: IdInPath) -> object:
    """Show a pool: its inventory, its agent, when it last reported."""
    return get_pool(actor=get_actor(request), pool_id=pool_id, now=utc_now())


@router.patch("/pools/{pool_id}", openapi_extra=allow(KEEPERS, Scope.MANAGE), response={200: PoolOut, **PROBLEMS})
def change_pool(request: HttpRequest, pool_id: IdInPath, body: PoolChangeIn) -> object:
    """Let a pool take no new work, or take it again; what it has goes on."""
    actor, now = get_actor(request), utc_now()
    set_draining(actor=actor, pool_id=pool_id, draining_at=now if body.draining else None)
    return get_pool(actor=actor, pool_id=pool_id, now=now)


@router.put(
    "/pools/{pool_id}/maintenance", openapi_extra=allow(KEEPERS, Scope.MANAGE), response={200: PoolOut, **PROBLEMS}
)
def put_maintenance(request: HttpRequest, pool_id: IdInPath, body: MaintenanceIn) -> object:
    """Announce maintenance in place of what was announced before: work that could reach into it is not begun."""
    actor, now = get_actor(request), utc_now()
    window = Maintenance(starts_at=body.starts_at, ends_at=body.ends_at, reason=body.reason)
    announce_maintenance(actor=actor, pool_id=pool_id, window=window, now=now)
    return get_pool(actor=actor, pool_id=pool_id, now=now)


@router.delete(
    "/pools/{pool_id}/maintenance", openapi_extra=allow(KEEPERS, Scope.MANAGE), response={200: PoolOut, **PROBLEMS}
)
def delete_maintenance(request: HttpRequest, pool_id: IdInPath) -> object:
    """Take back what was announced; without it nothing changes."""
    actor = get_actor(request)
    cancel_maintenance(actor=actor, pool_id=pool_id)
    return get_pool(actor=actor, pool_id=pool_id, now=utc_now())


@router.post(
    "/pools/{pool_id}/join-tokens",
    openapi_extra=allow(KEEPERS, Scope.MANAGE),
    response={201: JoinTokenOut, **PROBLEMS},
)
def add_join_token(request: HttpRequest, pool_id: IdInPath) -> object:
    """Make a token with which one agent may join the pool, once, within a day."""
    return Status(201, create_join_token(actor=get_actor(request), pool_id=pool_id, now=utc_now()))


@router.get(
    "/unknown-attempts",
    openapi_extra=allow(OPERATORS, Scope.OPERATE),
    response={200: UnknownAttemptPageOut, **PROBLEMS},
)
def list_unknown(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List jobs that agents report and no order explains: they are stopped and not charged."""
    return list_unknown_attempts(actor=get_actor(request), cursor=cursor, limit=limit)
