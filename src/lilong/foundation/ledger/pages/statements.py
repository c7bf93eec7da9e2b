"""The statement of an account, by month."""

import re
from datetime import UTC, datetime

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.time import utc_now
from lilong.foundation.ledger.pages.words import ACCOUNTS, MOVES
from lilong.foundation.ledger.queries.statements import get_statement

LINES_SHOWN = 50
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


@require_safe
@for_member
def show_statement(request: HttpRequest) -> HttpResponseBase:
    """Show what moved on an account of the organisation in one month, and what could be spent after each movement."""
    now = utc_now()
    begin = read_month(request.GET.get("month", ""), now=now)
    statement = get_statement(
        actor=find_actor(request),
        account_id=request.GET.get("account", ""),
        begin=begin,
        end=next_month(begin),
        cursor=request.GET.get("cursor"),
        limit=LINES_SHOWN,
        now=now,
    )
    later = next_month(begin)
    context = {
        "statement": statement,
        "accounts": [(each, ACCOUNTS[each.kind]) for each in statement.accounts],
        "lines": [(line, MOVES.get(line.transfer.code, line.transfer.code)) for line in statement.page.items],
        "month": f"{begin:%Y-%m}",
        "earlier": f"{previous_month(begin):%Y-%m}",
        "later": f"{later:%Y-%m}" if later <= now else "",
        "now": now,
    }
    return render(request, "ledger/statement.html", context)


def read_month(text: str, *, now: datetime) -> datetime:
    """Return the beginning of the month that the text names in UTC; of the present one when it names none.

    >>> read_month("2026-03", now=utc_now())
    datetime.datetime(2026, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    named = _MONTH.fullmatch(text)
    year, month = (int(named[1]), int(named[2])) if named else (now.year, now.month)
    return datetime(year, month, 1, tzinfo=UTC)


def next_month(begin: datetime) -> datetime:
    """Return the beginning of the month after one that begins at `begin`."""
    return begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)


def previous_month(begin: datetime) -> datetime:
    """Return the beginning of the month before one that begins at `begin`."""
    return begin.replace(year=begin.year - (begin.month == 1), month=(begin.month - 2) % 12 + 1)
