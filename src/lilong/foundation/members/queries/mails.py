"""Reads of the mails of signing in: what waits, and what was refused for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Max, Min, QuerySet, Value

from lilong.common.django.paging import page_newest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.core.mails import KEPT_FOR, LATE_AFTER
from lilong.foundation.members.models import Mail, RefusedMail

REFUSED_WITHIN = timedelta(days=1)

Sums = QuerySet[Any, tuple[str, int, datetime | None]]


@dataclass(frozen=True, slots=True)
class MailBacklog:
    """Mails that wait, when the oldest of them was written, and until when the newest is tried."""

    waiting: int
    oldest_at: datetime | None
    tried_until: datetime | None


@dataclass(frozen=True, slots=True)
class StuckMails:
    """Mails that do not arrive, for one reason; oldest_at: since when the first of them does not."""

    reason: str
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedMailView:
    """A mail of signing in that its server refused for good. answer: the server's, without whom it was for."""

    id: str
    written_at: datetime
    refused_at: datetime
    tries: int
    answer: str


def measure_mails() -> MailBacklog:
    """Return the mails of signing in that were not sent yet. One query. Cost: linear in them."""
    found = Mail.objects.aggregate(waiting=Count("id"), oldest_at=Min("created_at"), newest_at=Max("created_at"))
    newest_at = found.pop("newest_at")
    return MailBacklog(**found, tried_until=newest_at + KEPT_FOR if newest_at else None)


def list_refused_mails(*, actor: Actor, cursor: str | None, limit: int) -> Page[RefusedMailView]:
    """Return mails of signing in that were refused for good, newest first; for operators. One query."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    page = page_newest_first(RefusedMail.objects.all(), cursor=cursor, limit=limit)
    items = [
        RefusedMailView(
            id=row.id, written_at=row.written_at, refused_at=row.refused_at, tries=row.tries, answer=row.answer
        )
        for row in page.items
    ]
    return Page(items=items, next_cursor=page.next_cursor)


def count_stuck_mails(*, now: datetime, beside: Sequence[Sums] = ()) -> list[StuckMails]:
    """Return the mails of signing in that wait for minutes, `late`, and that were refused for good today, `refused`.

    beside: sums that a later room makes by `sum_mails` and reads with them. One query.
    """
    late = sum_mails(mails=Mail.objects.filter(created_at__lte=now - LATE_AFTER), reason="late", since="created_at")
    refused = RefusedMail.objects.filter(refused_at__gt=now - REFUSED_WITHIN)
    sums = late.union(sum_mails(mails=refused, reason="refused", since="refused_at"), *beside, all=True)
    return [StuckMails(reason, count, oldest_at) for reason, count, oldest_at in sums if oldest_at is not None]


def sum_mails(*, mails: QuerySet[Any], reason: str, since: str) -> Sums:
    """Return one row: the reason, how many mails these are, and the least of their column `since`."""
    named = mails.order_by().annotate(reason=Value(reason, output_field=CharField())).values("reason")
    sums: Sums = named.annotate(count=Count("pk"), oldest_at=Min(since)).values_list("reason", "count", "oldest_at")
    return sums
