"""Reads of what organisations are at the hub."""

from dataclasses import dataclass
from datetime import date, datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.foundation.members.core.standings import Standing, StandingKind, holds_on
from lilong.foundation.members.models import Organisation, OrganisationStanding


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


def list_standings(
    *, actor: Actor, organisation_id: str, cursor: str | None, limit: int, now: datetime
) -> Page[StandingView]:
    """Return the standings of an organisation that the actor may see, those granted last first; raises NotFound."""
    if not Organisation.objects.visible_to(actor).filter(id=organisation_id).exists():
        raise NotFound(detail=f"There is no organisation {organisation_id[:64]}.")
    rows = OrganisationStanding.objects.filter(organisation_id=organisation_id)
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(items=[view_standing(row=row, now=now) for row in page.items], next_cursor=page.next_cursor)


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
    )


def read_standing(*, row: OrganisationStanding) -> Standing:
    """Return what the row says."""
    return Standing(kind=StandingKind(row.kind), starts_on=row.starts_on, ends_on=row.ends_on)
