"""What organisations are at the hub, and from when to when."""

from datetime import date, datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    IdInPath,
    LimitInQuery,
    Reason,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.core.standings import StandingKind
from lilong.foundation.members.queries import standings as queries
from lilong.foundation.members.services import standings

router = Router(tags=["members"])


class StandingOut(Schema):
    """What an organisation is at the hub, from `starts_on` until the day before `ends_on`."""

    id: str
    kind: StandingKind
    starts_on: date
    ends_on: date | None
    holds_today: bool
    reason: str
    granted_at: datetime
    case_id: str


class StandingsOut(Schema):
    """A page of standings, those granted last first."""

    items: list[StandingOut]
    next_cursor: str | None


class StandingIn(RequestBody):
    """A standing to grant; without `starts_on` it begins today, without `ends_on` it has no end."""

    kind: StandingKind
    starts_on: date | None = None
    ends_on: date | None = None
    reason: Reason


class StandingEndIn(RequestBody):
    """The first day on which the standing holds no more, and why."""

    ends_on: date
    reason: Reason


@router.get(
    "/organisations/{organisation_id}/standings",
    response={200: StandingsOut, **PROBLEMS},
    openapi_extra=allow(ALL_ROLES, Scope.READ),
)
def list_standings(
    request: HttpRequest,
    organisation_id: IdInPath,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> Status[object]:
    """List what an organisation is, was and will be at the hub."""
    page = queries.list_standings(
        actor=get_actor(request), organisation_id=organisation_id, cursor=cursor, limit=limit, now=utc_now()
    )
    return Status(200, page)


@router.post(
    "/organisations/{organisation_id}/standings",
    response={201: StandingOut, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def grant_standing(request: HttpRequest, organisation_id: IdInPath, body: StandingIn) -> Status[object]:
    """Grant an admitted organisation a standing, or prolong one by another that follows it."""
    now = utc_now()
    granted = standings.grant_standing(
        actor=get_actor(request),
        organisation_id=organisation_id,
        kind=body.kind,
        starts_on=body.starts_on or now.date(),
        ends_on=body.ends_on,
        reason=body.reason,
        now=now,
    )
    return Status(201, granted)


@router.post(
    "/organisations/{organisation_id}/standings/{standing_id}/end",
    response={200: StandingOut, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def end_standing(
    request: HttpRequest, organisation_id: IdInPath, standing_id: IdInPath, body: StandingEndIn
) -> Status[object]:
    """Set the day on which a standing ends, today or later. New orders stop then; what runs goes on."""
    changed = standings.end_standing(
        actor=get_actor(request),
        organisation_id=organisation_id,
        standing_id=standing_id,
        ends_on=body.ends_on,
        reason=body.reason,
        now=utc_now(),
    )
    return Status(200, changed)
