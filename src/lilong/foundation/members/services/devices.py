"""Signing in on another device: which organisation an approval is for, and the token that is given for it."""

import secrets
from datetime import datetime, timedelta

from allauth.idp.oidc.internal.oauthlib import device_codes
from allauth.idp.oidc.models import Client
from allauth.idp.oidc.models import Token as Grant
from django.core.cache import cache
from django.db import transaction

from lilong.common.errors import NotFound, NotSignedIn
from lilong.common.permissions import Role
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import list_scopes
from lilong.foundation.members.core.tokens import LIFE_DEFAULT_S, TokenUse
from lilong.foundation.members.models import Membership, Person, SharedCacheRow
from lilong.foundation.members.services.tokens import NewToken, insert_token

CLI_CLIENT = "lilong-cli"
GRANT_SCOPE = "lilong"
GRANT_LIFE_S = 120


class GrantUnknown(NotSignedIn):
    """What was granted to a device is not there any more."""

    code = "token.grant_unknown"
    title = "This sign-in was used up or has expired"
    next_step = "Begin again with `lilong login URL`."


def ensure_cli_client() -> None:
    """Make the one client that may ask for device codes, unless it is there."""
    if not Client.objects.filter(id=CLI_CLIENT).exists():
        with transaction.atomic():
            Client.objects.get_or_create(
                id=CLI_CLIENT,
                defaults={
                    "name": "lilong",
                    "type": Client.Type.PUBLIC,
                    "grant_types": Client.GrantType.DEVICE_CODE,
                    "scopes": GRANT_SCOPE,
                    "default_scopes": GRANT_SCOPE,
                    "response_types": "none",
                },
            )


def lock_device(*, device_code: str) -> None:
    """Hold a waiting device until the caller's transaction ends.

    allauth reads and writes its state as a whole: a poll that met an approval would undo it.
    """
    key = cache.make_key(device_codes.cache_device_code_key(device_code))
    SharedCacheRow.objects.select_for_update().filter(cache_key=key).first()


def approve_device(*, device_code: str, person_id: str, organisation_id: str) -> None:
    """Let a waiting device act for a person in one of their organisations; raises NotFound and GrantUnknown."""
    with transaction.atomic():
        person = Person.objects.get(id=person_id)
        if not Membership.objects.filter(person=person, organisation_id=organisation_id, left_at=None).exists():
            raise NotFound(detail=say("You do not belong to this organisation."))
        lock_device(device_code=device_code)
        state = cache.get(device_codes.cache_device_code_key(device_code))
        if state is None or state["granted"] is not None:
            raise GrantUnknown
        state["organisation_id"] = organisation_id
        device_codes.update_device_state(device_code, state)
        device_codes.confirm_or_deny_device_code(person, device_code, confirm=True)


def deny_device(*, device_code: str, person_id: str) -> None:
    """Refuse a waiting device."""
    with transaction.atomic():
        lock_device(device_code=device_code)
        device_codes.confirm_or_deny_device_code(Person.objects.get(id=person_id), device_code, confirm=False)


def grant_device(*, person_id: str, organisation_id: str, now: datetime) -> str:
    """Return an access token that `exchange_grant` takes once, for a device that a person let in.

    It opens nothing else. allauth has asked the client, the code, its age and the pace of the questions by now; its own
    way to a token needs a check that oauthlib 4 leaves to it, and would hand out a refresh token.
    """
    secret = secrets.token_urlsafe(48)
    grant = Grant(
        type=Grant.Type.ACCESS_TOKEN,
        client_id=CLI_CLIENT,
        user_id=person_id,
        data={"organisation_id": organisation_id},
        created_at=now,
        expires_at=now + timedelta(seconds=GRANT_LIFE_S),
    )
    grant.set_value(secret)
    with transaction.atomic():
        Grant.objects.filter(client_id=CLI_CLIENT, expires_at__lte=now).delete()
        grant.save(force_insert=True)
    return secret


def exchange_grant(*, access_token: str, name: str, now: datetime) -> NewToken:
    """Give a token of the hub for the access token of an approved device, which ends with this; raises GrantUnknown."""
    with transaction.atomic():
        found = Grant.objects.select_for_update().by_value(access_token)
        grant = found.filter(type=Grant.Type.ACCESS_TOKEN, client_id=CLI_CLIENT, expires_at__gt=now).first()
        if grant is None or not isinstance(grant.data, dict):
            raise GrantUnknown
        organisation_id = grant.data.get("organisation_id", "")
        membership = Membership.objects.select_for_update().filter(
            person_id=grant.user_id, organisation_id=organisation_id, left_at=None
        )
        row = membership.first()
        if row is None:
            raise GrantUnknown(detail=say("You do not belong to the organisation any more."))
        grant.delete()
        scopes = list_scopes(role=Role(row.role))
        return insert_token(
            membership=row, use=TokenUse.ACCESS, name=name, scopes=scopes, life_s=LIFE_DEFAULT_S, now=now
        )
