"""Closed periods."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.models import Period


class PeriodMissing(NotFound):
    """There is no such period."""

    code = "ledger.period_missing"
    title = "There is no such period"


@dataclass(frozen=True, slots=True)
class PeriodView:
    """A closed period; the first has no start."""

    id: str
    starts_at: datetime | None
    ends_at: datetime
    closed_at: datetime


def get_period(*, actor: Actor, period_id: str) -> PeriodView:
    """Return a closed period; for the operator. Raises NotAllowed, PeriodMissing."""
    _require_operator(actor)
    period = Period.objects.filter(pk=period_id).first()
    if period is None:
        raise PeriodMissing(detail=say("There is no period {period_id}.", period_id=period_id[:64]))
    return _view(period)


def list_periods(*, actor: Actor, cursor: str | None, limit: int) -> Page[PeriodView]:
    """Return one page of the closed periods, newest first; for the operator. One query."""
    _require_operator(actor)
    page = page_newest_first(Period.objects.all(), cursor=cursor, limit=limit)
    return Page(items=[_view(period) for period in page.items], next_cursor=page.next_cursor)


def find_closed_until() -> datetime | None:
    """Return the moment before which nothing can count any more; None where no period is closed. One query."""
    return Period.objects.order_by("-ends_at").values_list("ends_at", flat=True).first()


def _require_operator(actor: Actor) -> None:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))


def _view(period: Period) -> PeriodView:
    return PeriodView(id=period.id, starts_at=period.starts_at, ends_at=period.ends_at, closed_at=period.closed_at)
