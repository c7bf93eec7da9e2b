"""Making, using, exchanging and ending tokens."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, transaction

from lilong.common.errors import InputInvalid, LimitReached, NotFound, NotSignedIn
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import MANAGERS, list_scopes
from lilong.foundation.members.core.tokens import (
    LIFE_DEFAULT_S,
    LIFE_MAX_S,
    ONE_TIME_LIFE_S,
    PREFIXES,
    TokenUse,
    digest_token,
    find_use,
    read_scopes,
    write_scopes,
)
from lilong.foundation.members.models import Membership, Token
from lilong.foundation.record.public import append

TOKENS_MAX = 50
USE_NOTED_EVERY = timedelta(hours=1)

log = structlog.get_logger()


class LifeInvalid(InputInvalid):
    """A token would live too long or not at all."""

    code = "token.life_invalid"
    title = "A token may not live that long"
    next_step = f"Ask for 60 to {LIFE_MAX_S} seconds."


class TokensFull(LimitReached):
    """The person has as many tokens in this organisation as one may have."""

    code = "token.too_many"
    title = "You have too many tokens"
    next_step = "Revoke one that you no longer need."


@dataclass(frozen=True, slots=True)
class NewToken:
    """A fresh token; `secret` is shown now and never again."""

    token_id: str
    secret: str
    scopes: frozenset[Scope]
    expires_at: datetime


def authenticate(*, token: str, now: datetime) -> Actor:
    """Return who acts by this token; raises NotSignedIn. One query, and a write at most once an hour per token."""
    if find_use(token) is not TokenUse.ACCESS:
        raise NotSignedIn(detail=say("A token begins with lil_."))
    row = Token.objects.select_related("membership").filter(digest=digest_token(token)).first()
    row = _require_live(row, use=TokenUse.ACCESS, now=now)
    if row.last_used_at is None or row.last_used_at <= now - USE_NOTED_EVERY:
        _note_use(row.id, now=now)
    return Actor(
        person_id=row.membership.person_id,
        organisation_id=row.membership.organisation_id,
        role=Role(row.membership.role),
        scopes=read_scopes(row.scopes),
        token_id=row.id,
    )


def create_token(
    *, actor: Actor, name: str, scopes: Collection[Scope], expires_in_s: int = LIFE_DEFAULT_S, now: datetime
) -> NewToken:
    """Make another token for the actor, in the same organisation, with none but the actor's own scopes."""
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    missing = sorted(set(scopes) - actor.scopes)
    if missing:
        require(Verdict(allowed=False, reason=say("Your own token lacks: {missing}.", missing=", ".join(missing))))
    if not 60 <= expires_in_s <= LIFE_MAX_S:  # noqa: PLR2004 - said in the error
        raise LifeInvalid
    with transaction.atomic():
        membership = Membership.objects.select_for_update().get(
            person_id=actor.person_id, organisation_id=actor.organisation_id, left_at=None
        )
        return insert_token(
            membership=membership, use=TokenUse.ACCESS, name=name, scopes=scopes, life_s=expires_in_s, now=now
        )


def exchange_token(*, token: str, name: str, now: datetime) -> NewToken:
    """Give a token for a one-time token, which ends with this; raises NotSignedIn when it is not good any more."""
    if find_use(token) is not TokenUse.ONCE:
        raise NotSignedIn(detail=say("A one-time token begins with {prefix}.", prefix=PREFIXES[TokenUse.ONCE]))
    with transaction.atomic():
        row = lock_one_time_token(token=token, now=now)
        row.ended_at = now
        row.save(update_fields=["ended_at"])
        scopes = list_scopes(role=Role(row.membership.role))
        return insert_token(
            membership=row.membership, use=TokenUse.ACCESS, name=name, scopes=scopes, life_s=LIFE_DEFAULT_S, now=now
        )


def lock_one_time_token(*, token: str, now: datetime) -> Token:
    """Return a live one-time token, locked in the caller's transaction, with its membership; raises NotSignedIn."""
    found = Token.objects.select_for_update(of=("self",)).select_related("membership")
    return _require_live(found.filter(digest=digest_token(token)).first(), use=TokenUse.ONCE, now=now)


def revoke_token(*, actor: Actor, token_id: str, now: datetime) -> None:
    """End a token of the actor's own, or, for owners, admins and operators, of their organisation."""
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    with transaction.atomic():
        reachable = Token.objects.filter(id=token_id, membership__organisation_id=actor.organisation_id)
        if actor.role not in MANAGERS:
            reachable = reachable.filter(membership__person_id=actor.person_id)
        row = reachable.select_related("membership").first()
        if row is None:
            raise NotFound(detail=say("There is no token {token_id}.", token_id=token_id))
        if Token.objects.filter(id=token_id, ended_at=None).update(ended_at=now):
            _record_key(row, membership=row.membership, deed="revoked", by=actor.person_id, now=now)


def insert_token(
    *,
    membership: Membership,
    use: TokenUse,
    name: str,
    scopes: Collection[Scope],
    life_s: int = ONE_TIME_LIFE_S,
    now: datetime,
) -> NewToken:
    """Make a token for a membership whose row the caller's transaction holds; raises TokensFull."""
    live = Token.objects.filter(membership=membership, ended_at=None, expires_at__gt=now).count()
    if live >= TOKENS_MAX:
        raise TokensFull(facts={"limit": TOKENS_MAX, "used": live})
    secret = PREFIXES[use] + secrets.token_urlsafe(32)
    row = Token.objects.create(
        id=new_id("tok"),
        membership=membership,
        use=use,
        name=name,
        digest=digest_token(secret),
        scopes=write_scopes(scopes),
        created_at=now,
        expires_at=now + timedelta(seconds=life_s),
    )
    _record_key(row, membership=membership, deed="made", by=membership.person_id, now=now)
    return NewToken(token_id=row.id, secret=secret, scopes=frozenset(scopes), expires_at=row.expires_at)


def _require_live(row: Token | None, *, use: TokenUse, now: datetime) -> Token:
    if row is None or row.use != use:
        raise NotSignedIn(detail=say("This token is unknown."))
    if row.ended_at is not None or row.membership.left_at is not None:
        raise NotSignedIn(detail=say("This token was revoked or used up."))
    if row.expires_at <= now:
        raise NotSignedIn(detail=say("This token has expired."))
    return row


def _note_use(token_id: str, *, now: datetime) -> None:
    """Write down that a token was used; not being able to is no reason to turn somebody away."""
    try:
        with transaction.atomic():
            Token.objects.filter(id=token_id).update(last_used_at=now)
    except DatabaseError as error:
        log.warning("token_use_not_noted", token=token_id, exc_info=error)


def _record_key(row: Token, *, membership: Membership, deed: str, by: str, now: datetime) -> None:
    append(
        kind="members.key_changed",
        subject_id=row.id,
        payload={"deed": deed, "use": row.use, "person_id": membership.person_id, "scopes": row.scopes, "by": by},
        organisation_id=membership.organisation_id,
        now=now,
    )
