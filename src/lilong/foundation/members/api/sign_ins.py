"""HTTP API of signing in: a token for a device that was let in, and a second factor that was lost."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from lilong.common.django.fields import IdInPath, Name, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow, allow_public, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.api.organisations import OverrideIn, TokenMadeOut
from lilong.foundation.members.services.devices import exchange_grant
from lilong.foundation.members.services.second_factors import reset_second_factor

router = Router(tags=["members"])


class GrantIn(RequestBody):
    """The access token that a device got when it was let in, and a name for the token to get for it."""

    access_token: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
    name: Name = "device"


@router.post("/tokens/device", response={201: TokenMadeOut, **PROBLEMS}, openapi_extra=allow_public())
def exchange_device_grant(request: HttpRequest, body: GrantIn) -> Status[object]:
    """Exchange what a device was granted for a token."""
    return Status(201, exchange_grant(access_token=body.access_token, name=body.name, now=utc_now()))


@router.post(
    "/people/{person_id}/second-factor/reset",
    response={204: None, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def reset_lost_second_factor(request: HttpRequest, person_id: IdInPath, body: OverrideIn) -> Status[object]:
    """Take a lost second factor from a person, whose sessions and tokens end; the record says why."""
    reset_second_factor(actor=get_actor(request), person_id=person_id, reason=body.reason, now=utc_now())
    return Status(204, None)
