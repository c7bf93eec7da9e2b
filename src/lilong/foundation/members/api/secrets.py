"""The organisation's secrets over HTTP; their values never leave."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router, Schema, Status
from pydantic import Field

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, LimitInQuery, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.foundation.members import queries
from lilong.foundation.members.services import vault
from lilong.foundation.members.services.vault import KEEPERS, VALUE_MAX_BYTES
from lilong.protocol.spec import SecretName

router = Router(tags=["members"])


class SecretIn(RequestBody):
    """A secret's value, in UTF-8 at most 32 KiB."""

    value: Annotated[str, Field(min_length=1, max_length=VALUE_MAX_BYTES)]


class SecretOut(Schema):
    """A secret's name; its value never leaves."""

    name: str
    changed_at: datetime


class SecretsOut(Schema):
    """A page of secrets."""

    items: list[SecretOut]
    next_cursor: str | None


@router.get("/secrets", response={200: SecretsOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_secrets(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> Status[object]:
    """List the names of the organisation's secrets."""
    return Status(200, queries.list_secrets(actor=get_actor(request), cursor=cursor, limit=limit))


@router.put("/secrets/{name}", response={204: None, **PROBLEMS}, openapi_extra=allow(KEEPERS, Scope.MANAGE))
def put_secret(request: HttpRequest, name: Annotated[SecretName, Path()], body: SecretIn) -> Status[object]:
    """Keep a secret for jobs of the organisation."""
    vault.put_secret(actor=get_actor(request), name=name, value=body.value, now=utc_now())
    return Status(204, None)


@router.delete("/secrets/{name}", response={204: None, **PROBLEMS}, openapi_extra=allow(KEEPERS, Scope.MANAGE))
def delete_secret(request: HttpRequest, name: Annotated[SecretName, Path()]) -> Status[object]:
    """Forget a secret."""
    vault.delete_secret(actor=get_actor(request), name=name)
    return Status(204, None)
