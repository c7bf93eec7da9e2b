"""Reads of what organisations are at the hub."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.members.core.standings import Standing, StandingKind, holds_on
from lilong.foundation.members.models import Organisation, OrganisationStanding, StandingApplication


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    """What an organisation is at the hub, from the day `starts_on` until the day before `ends_on`."""

    id: str
    kind: StandingKind
    starts_on: date
    ends_on: date | None
    holds_today: bool
    reason: str
    granted_at: datetime
    case_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationView:
    """What an organisation asks to be, and the case that decides."""

    id: str
    kind: StandingKind
    case_id: str
    applied_at: datetime


def list_open_applications(*, actor: Actor, organisation_id: str) -> list[ApplicationView]:
    """Return what an organisation that the actor may see asks to be, as long as no case has decided. One query."""
    visible = Organisation.objects.visible_to(actor).filter(id=organisation_id)
    rows = StandingApplication.objects.filter(organisation__in=visible, answered_at=None).order_by("id")
    return [
        ApplicationView(id=row.id, kind=StandingKind(row.kind), case_id=row.case_id, applied_at=row.applied_at)
        for row in rows
    ]


def list_unanswered_applications() -> list[str]:
    """Return the ids of all applications that nobody has answered, for reconcilers. One query."""
    return list(StandingApplication.objects.filter(answered_at=None).order_by("id").values_list("id", flat=True))


def list_ungranted(*, application_ids: Collection[str]) -> list[str]:
    """Return those of these applications that have been granted nothing, for reconcilers. One query."""
    rows = StandingApplication.objects.filter(id__in=application_ids, standing_id="")
    return list(rows.order_by("id").values_list("id", flat=True))


def list_standings(
    *, actor: Actor, organisation_id: str, cursor: str | None, limit: int, now: datetime
) -> Page[StandingView]:
    """Return the standings of an organisation that the actor may see, those granted last first; raises NotFound."""
    if not Organisation.objects.visible_to(actor).filter(id=organisation_id).exists():
        raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=organisation_id[:64]))
    rows = OrganisationStanding.objects.filter(organisation_id=organisation_id)
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(items=[view_standing(row=row, now=now) for row in page.items], next_cursor=page.next_cursor)


def get_standing(*, actor: Actor, organisation_id: str, standing_id: str, now: datetime) -> StandingView:
    """Return one standing of an organisation that the actor may see; raises NotFound."""
    visible = Organisation.objects.visible_to(actor).filter(id=organisation_id)
    row = OrganisationStanding.objects.filter(organisation__in=visible, id=standing_id).first()
    if row is None:
        raise NotFound(detail=say("There is no standing {standing_id}.", standing_id=standing_id[:64]))
    return view_standing(row=row, now=now)


def view_standing(*, row: OrganisationStanding, now: datetime) -> StandingView:
    """Return the row as others see it."""
    return StandingView(
        id=row.id,
        kind=StandingKind(row.kind),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        holds_today=holds_on(read_standing(row=row), day=now.date()),
        reason=row.reason,
        granted_at=row.granted_at,
        case_id=row.case_id,
    )


def read_standing(*, row: OrganisationStanding) -> Standing:
    """Return what the row says."""
    return Standing(kind=StandingKind(row.kind), starts_on=row.starts_on, ends_on=row.ends_on)
