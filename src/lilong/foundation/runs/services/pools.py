"""Pools and the tokens of their agents."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe

from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict, FieldProblem, InputInvalid, LimitReached, NotSignedIn
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.record.public import append
from lilong.foundation.runs.core.epochs import raise_epoch
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.models import Hub, JoinToken, Pool, PoolToken
from lilong.foundation.runs.queries.pools import find_own_pool, get_hub_id
from lilong.protocol.messages import PROTOCOL_VERSION, PROTOCOL_VERSIONS_SPOKEN, JoinRequest, JoinResponse

ENGINES = ("local", "slurm")
JOIN_TOKEN_S = 24 * 3600
MAINTENANCE_WITHIN_DAYS = 366
POOLS_PER_ORGANISATION_MAX = 100
JOIN_TOKENS_PER_POOL_MAX = 20
JOIN_TOKEN_PREFIX = "lilj_"  # noqa: S105 - how such tokens begin
POOL_TOKEN_PREFIX = "lilp_"  # noqa: S105 - how such tokens begin
KEEPERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN})

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PoolInvalid(InputInvalid):
    """A pool needs a name and an engine that there is."""

    code = "runs.pool_invalid"
    title = "This pool cannot be created"
    next_step = "Correct the fields named here."


class PoolNameTaken(Conflict):
    """The organisation has a pool of this name with another engine."""

    code = "runs.pool_name_taken"
    title = "There is a pool of this name already"
    next_step = "Choose another name, or use the pool that is there."


class PoolLimitReached(LimitReached):
    """An organisation has a bounded number of pools, and a pool a bounded number of join tokens."""

    code = "runs.pool_limit"
    title = "No more of these can be created"
    next_step = "Use those that are there, or wait until unused join tokens expire."


class MaintenanceInvalid(InputInvalid):
    """A window needs an end that is after its begin and not over, and both within a year."""

    code = "runs.maintenance_invalid"
    title = "This maintenance cannot be announced"
    next_step = "Correct the fields named here."


class JoinTokenInvalid(NotSignedIn):
    """The join token is unknown, expired or used up."""

    code = "runs.join_token_invalid"
    title = "This join token does not work, or no longer"
    next_step = "Ask for a new one with `POST /api/v1/pools/{id}/join-tokens`: each works once, for a day."


class PoolTokenInvalid(NotSignedIn):
    """The agent's token is unknown, or a newer one has taken its place."""

    code = "runs.pool_token_invalid"
    title = "This agent is not known here, or no longer"
    next_step = "Join the pool again with a new join token: `lilong agent join`."


class ProtocolUnknown(InputInvalid):
    """The agent speaks a version of the protocol that this hub does not."""

    code = "runs.protocol_unknown"
    title = "Agent and hub do not speak the same protocol"
    next_step = "Upgrade whichever is older; a hub speaks its own version and the one before."


@dataclass(frozen=True, slots=True)
class NewJoinToken:
    """A join token, shown once."""

    token: str
    pool_id: str
    expires_at: datetime


def create_pool(*, actor: Actor, provider_organisation_id: str, name: str, engine: str, now: datetime) -> str:
    """Create a pool of an organisation and return its id; the same call again returns the same pool."""
    require(_may_keep(actor, organisation_id=provider_organisation_id))
    problems: list[FieldProblem] = []
    if not _NAME.fullmatch(name):
        message = say("Use small letters, digits and hyphens, beginning with a letter or digit, at most 63.")
        problems.append(FieldProblem(path="name", code="runs.pool_name", message=message))
    if engine not in ENGINES:
        message = say("There is: {engines}.", engines=", ".join(ENGINES))
        problems.append(FieldProblem(path="engine", code="runs.pool_engine", message=message))
    if problems:
        raise PoolInvalid(fields=problems)
    with transaction.atomic():
        Hub.objects.get_or_create(number=1, defaults={"id": new_id("hub")})
        mine = Pool.objects.filter(organisation_id=provider_organisation_id)
        pool = mine.filter(name=name).first()
        if pool is None:
            if mine.count() >= POOLS_PER_ORGANISATION_MAX:
                raise PoolLimitReached(facts={"limit": POOLS_PER_ORGANISATION_MAX})
            pool = Pool.objects.create(
                id=new_id("pool"), organisation_id=provider_organisation_id, name=name, engine=engine, created_at=now
            )
        if pool.engine != engine:
            raise PoolNameTaken(facts={"engine": pool.engine})
    return pool.id


def create_join_token(*, actor: Actor, pool_id: str, now: datetime) -> NewJoinToken:
    """Make a token with which one agent may join the pool, once, within a day."""
    pool = find_own_pool(actor=actor, pool_id=pool_id)
    require(_may_keep(actor, organisation_id=pool.organisation_id))
    token, expires_at = JOIN_TOKEN_PREFIX + token_urlsafe(32), now + timedelta(seconds=JOIN_TOKEN_S)
    with transaction.atomic():
        open_tokens = JoinToken.objects.filter(pool=pool, used_at=None, expires_at__gt=now)
        if open_tokens.count() >= JOIN_TOKENS_PER_POOL_MAX:
            raise PoolLimitReached(facts={"limit": JOIN_TOKENS_PER_POOL_MAX})
        JoinToken.objects.create(id=new_id("join"), pool=pool, token_sha256=_hash(token), expires_at=expires_at)
    return NewJoinToken(token=token, pool_id=pool.id, expires_at=expires_at)


def set_draining(*, actor: Actor, pool_id: str, draining_at: datetime | None) -> None:
    """Let a pool take no new work from a moment on, or again (None); what it has goes on."""
    pool = find_own_pool(actor=actor, pool_id=pool_id)
    require(_may_keep(actor, organisation_id=pool.organisation_id))
    with transaction.atomic():
        Pool.objects.filter(id=pool.id).update(draining_at=draining_at)


def announce_maintenance(*, actor: Actor, pool_id: str, window: Maintenance, now: datetime) -> None:
    """Announce a window in which nothing may run on a pool, in place of the one announced before.

    From now on no work is offered that could reach into it; what the pool has goes on. Raises MaintenanceInvalid.
    """
    pool = find_own_pool(actor=actor, pool_id=pool_id)
    require(_may_keep(actor, organisation_id=pool.organisation_id))
    if window.ends_at <= max(window.starts_at, now):
        message = say("It has to be after the begin, and not over already.")
        raise MaintenanceInvalid(fields=[FieldProblem(path="ends_at", code="runs.maintenance_end", message=message)])
    for path, moment in (("starts_at", window.starts_at), ("ends_at", window.ends_at)):
        if abs(moment - now) > timedelta(days=MAINTENANCE_WITHIN_DAYS):
            message = say(
                "It has to be within {days} days from now.",
                days=MAINTENANCE_WITHIN_DAYS,
            )
            raise MaintenanceInvalid(fields=[FieldProblem(path=path, code="runs.maintenance_far", message=message)])
    _set_maintenance(pool, starts_at=window.starts_at, ends_at=window.ends_at, reason=window.reason)


def cancel_maintenance(*, actor: Actor, pool_id: str) -> None:
    """Take back the window that was announced; without one nothing changes."""
    pool = find_own_pool(actor=actor, pool_id=pool_id)
    require(_may_keep(actor, organisation_id=pool.organisation_id))
    _set_maintenance(pool, starts_at=None, ends_at=None, reason="")


def _set_maintenance(pool: Pool, *, starts_at: datetime | None, ends_at: datetime | None, reason: str) -> None:
    with transaction.atomic():
        Pool.objects.filter(id=pool.id).update(
            maintenance_starts_at=starts_at, maintenance_ends_at=ends_at, maintenance_reason=reason
        )


def join(*, request: JoinRequest, now: datetime) -> JoinResponse:
    """Let an agent serve the pool of its join token; the pool's tokens before it end at once."""
    check_protocol(version=request.protocol_version)
    with transaction.atomic():
        found = JoinToken.objects.filter(token_sha256=_hash(request.join_token), used_at=None, expires_at__gt=now)
        join_token = found.select_for_update().first()
        if join_token is None:
            raise JoinTokenInvalid
        pool = Pool.objects.select_for_update(no_key=True).get(id=join_token.pool_id)
        join_token.used_at = now
        join_token.save(update_fields=["used_at"])
        pool.agent_version, pool.hostname = request.agent_version, request.hostname
        pool.save(update_fields=["agent_version", "hostname"])
        PoolToken.objects.filter(pool=pool).delete()
        token = _add_token(pool, event="joined", now=now)
    return JoinResponse(pool_id=pool.id, pool_token=token, hub_id=get_hub_id(), epoch=pool.epoch)


def rotate(*, pool_id: str, now: datetime) -> str:
    """Return a new token of the pool, shown once; the old one works until the new one is first used."""
    with transaction.atomic():
        pool = Pool.objects.select_for_update(no_key=True).get(id=pool_id)
        PoolToken.objects.filter(pool=pool, first_used_at=None).delete()
        return _add_token(pool, event="rotated", now=now)


def authenticate_pool(*, token: str, now: datetime) -> Actor:
    """Return the agent that a token belongs to; its first use ends older ones. Raises PoolTokenInvalid."""
    digest = _hash(token)
    found = PoolToken.objects.filter(id=digest).first() if token.startswith(POOL_TOKEN_PREFIX) else None
    if found is None:
        raise PoolTokenInvalid
    if found.first_used_at is None:
        with transaction.atomic():
            PoolToken.objects.filter(id=digest).update(first_used_at=now)
            PoolToken.objects.filter(pool_id=found.pool_id).exclude(id=digest).delete()
    return Actor(pool_id=found.pool_id)


def raise_epochs(*, now: datetime) -> int:
    """Put every pool's epoch above any that its agent can have: after a restore. Return how many pools there are."""
    with transaction.atomic():
        pools = list(Pool.objects.select_for_update(no_key=True).order_by("id"))
        for pool in pools:
            pool.epoch = raise_epoch(pool.epoch, now=now)
            pool.save(update_fields=["epoch"])
    return len(pools)


def check_protocol(*, version: int) -> None:
    """Raise ProtocolUnknown unless the hub speaks this version of the protocol."""
    if version not in PROTOCOL_VERSIONS_SPOKEN:
        spoken = ", ".join(map(str, PROTOCOL_VERSIONS_SPOKEN))
        older = "agent" if version < PROTOCOL_VERSION else "hub"
        detail = say(
            "The agent speaks version {version}, this hub {spoken}. Upgrade the {older}.",
            version=version,
            spoken=spoken,
            older=older,
        )
        raise ProtocolUnknown(detail=detail, facts={"agent": version, "hub": PROTOCOL_VERSION})


def _add_token(pool: Pool, *, event: str, now: datetime) -> str:
    """Give the pool another token and record its digest: who could speak for a pool, and since when."""
    token = POOL_TOKEN_PREFIX + token_urlsafe(32)
    PoolToken.objects.create(id=_hash(token), pool=pool, created_at=now)
    payload = {"event": event, "pool_id": pool.id, "token_sha256": _hash(token)}
    append(
        kind="runs.pool_key_changed",
        subject_id=pool.id,
        payload=payload,
        organisation_id=pool.organisation_id,
        now=now,
    )
    return token


def _may_keep(actor: Actor, *, organisation_id: str) -> Verdict:
    """Say whether the actor keeps the pools of this organisation: its owners and admins, and operators."""
    verdict = may(actor, roles=KEEPERS, scope=Scope.MANAGE)
    if verdict.allowed and not actor.is_operator and actor.organisation_id != organisation_id:
        return Verdict(allowed=False, reason=say("This is not your organisation's pool."))
    return verdict


def _hash(token: str) -> str:
    return sha256_hex(token.encode())
