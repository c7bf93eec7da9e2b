"""Declared ownership over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    Id,
    IdInPath,
    LimitInQuery,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.money import PPM
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.core.ownership import HolderKind
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.queries import ownership as queries
from lilong.foundation.members.services.ownership import OWNERS_MAX, DeclaredOwner, declare_ownership

router = Router(tags=["members"])


class OwnerIn(RequestBody):
    """An owner: `organisation_id`, or `person_id` of a member, or `name` and `registration_number` of anybody else."""

    share_ppm: Annotated[int, Field(ge=1, le=PPM)]
    organisation_id: Id | None = None
    person_id: Id | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=120)] = ""
    registration_number: Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)] = ""


class DeclarationIn(RequestBody):
    """All owners from a day on; without `starts_on`, from today."""

    owners: Annotated[list[OwnerIn], Field(min_length=1, max_length=OWNERS_MAX)]
    starts_on: date | None = None


class OwnershipOut(Schema):
    """A declared share; `holder` is an id of the hub, or `outside:` and a registration number."""

    id: str
    holder_kind: HolderKind
    holder: str
    name: str
    registration_number: str
    share_ppm: int
    starts_on: date
    ends_on: date | None
    declared_by: str
    declared_at: datetime


class DeclaredOut(Schema):
    """The shares of a fresh declaration."""

    items: list[OwnershipOut]


class OwnershipPageOut(Schema):
    """A page of declared shares, newest first."""

    items: list[OwnershipOut]
    next_cursor: str | None


class RelatedOut(Schema):
    """Whether two organisations are related: who holds how much of both, by which rule."""

    related: bool
    holder: str
    first_ppm: int
    second_ppm: int
    threshold_ppm: int
    rule_name: str
    rule_version: str
    rule_sha256: str


@router.post("/ownership", response={201: DeclaredOut, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def declare(request: HttpRequest, body: DeclarationIn) -> Status[object]:
    """State who owns one's own organisation from a day on; what was declared before ends there."""
    now = utc_now()
    owners = [
        DeclaredOwner(
            share_ppm=owner.share_ppm,
            organisation_id=owner.organisation_id or "",
            person_id=owner.person_id or "",
            name=owner.name,
            registration_number=owner.registration_number,
        )
        for owner in body.owners
    ]
    declared = declare_ownership(
        actor=get_actor(request), owners=owners, starts_on=body.starts_on or now.date(), now=now
    )
    return Status(201, {"items": declared})


@router.get(
    "/organisations/{organisation_id}/ownership",
    response={200: OwnershipPageOut, **PROBLEMS},
    openapi_extra=allow(ALL_ROLES, Scope.READ),
)
def list_ownership(
    request: HttpRequest,
    organisation_id: IdInPath,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> Status[object]:
    """List what an organisation declared about its owners, ended shares too: one's own, or for operators any."""
    page = queries.list_ownership(actor=get_actor(request), organisation_id=organisation_id, cursor=cursor, limit=limit)
    return Status(200, page)


@router.get(
    "/organisations/{organisation_id}/related/{other_id}",
    response={200: RelatedOut, **PROBLEMS},
    openapi_extra=allow({Role.OPERATOR}, Scope.OPERATE),
)
def check_related(request: HttpRequest, organisation_id: IdInPath, other_id: IdInPath) -> Status[object]:
    """Say whether two organisations are related parties today, why, and by which rule."""
    answer = queries.check_related(
        actor=get_actor(request), first_id=organisation_id, second_id=other_id, now=utc_now()
    )
    relation = answer.relation
    told = RelatedOut(
        related=relation is not None,
        holder=relation.holder if relation else "",
        first_ppm=relation.first_ppm if relation else 0,
        second_ppm=relation.second_ppm if relation else 0,
        threshold_ppm=answer.rule.threshold_ppm,
        rule_name=answer.rule.name,
        rule_version=answer.rule.version,
        rule_sha256=answer.rule.sha256,
    )
    return Status(200, told)
