"""Secrets of organisations: put in by people, given out to jobs alone."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from lilong.common.django.sealing import seal, unseal
from lilong.common.errors import InputInvalid, LimitReached, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.models import Organisation, Secret

SECRETS_MAX = 100
VALUE_MAX_BYTES = 32 * 1024
KEEPERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.MEMBER})


class SecretTooLong(InputInvalid):
    """The value is longer than a secret may be."""

    code = "secret.too_long"
    title = "A secret may not be that long"
    next_step = f"Keep it under {VALUE_MAX_BYTES} bytes."


class SecretsFull(LimitReached):
    """The organisation has as many secrets as one may have."""

    code = "secret.too_many"
    title = "Your organisation has too many secrets"
    next_step = "Delete one that no job needs."


class SecretMissing(InputInvalid):
    """The organisation has no secret of that name."""

    code = "secret.missing"
    title = "Your organisation has no such secret"
    next_step = "Put it in with `lilong secrets put NAME`, or take the name out of the spec."


def put_secret(*, actor: Actor, name: str, value: str, now: datetime) -> None:
    """Keep `value` under `name` in the actor's organisation, in place of what was there."""
    require(may(actor, roles=KEEPERS, scope=Scope.MANAGE))
    if len(value.encode()) > VALUE_MAX_BYTES:
        raise SecretTooLong
    sealed = seal(text=value, context=_context(actor.organisation_id, name))
    with transaction.atomic():
        Organisation.objects.select_for_update().get(id=actor.organisation_id)
        own = Secret.objects.filter(organisation_id=actor.organisation_id)
        if own.filter(name=name).update(sealed=sealed, changed_at=now):
            return
        if own.count() >= SECRETS_MAX:
            raise SecretsFull(facts={"limit": SECRETS_MAX, "used": own.count()})
        Secret.objects.create(
            id=new_id("sec"), organisation_id=actor.organisation_id, name=name, sealed=sealed, changed_at=now
        )


def delete_secret(*, actor: Actor, name: str) -> None:
    """Forget a secret of the actor's organisation; jobs that were submitted keep what they got."""
    require(may(actor, roles=KEEPERS, scope=Scope.MANAGE))
    with transaction.atomic():
        deleted, _ = Secret.objects.filter(organisation_id=actor.organisation_id, name=name).delete()
        if not deleted:
            raise NotFound(detail=say("There is no secret {name}.", name=name))


def reveal_secrets(*, organisation_id: str, names: Collection[str]) -> dict[str, str]:
    """Return the values of these secrets, for the submit command alone; raises SecretMissing."""
    rows = Secret.objects.filter(organisation_id=organisation_id, name__in=names)
    values = {row.name: unseal(sealed=row.sealed, context=_context(organisation_id, row.name)) for row in rows}
    missing = sorted(set(names) - set(values))
    if missing:
        raise SecretMissing(detail=say("Missing: {missing}.", missing=", ".join(missing)))
    return values


def _context(organisation_id: str, name: str) -> str:
    return f"secret {organisation_id} {name}"
