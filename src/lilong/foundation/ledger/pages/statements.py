"""The statement of an account, by month: as a page and as CSV."""

import re
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import quote

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.money import format_credits
from lilong.common.time import format_moment, utc_now
from lilong.foundation.ledger.core.spreadsheets import guard_text, write_rows
from lilong.foundation.ledger.pages.charts import chart_spending
from lilong.foundation.ledger.pages.words import ACCOUNTS, MOVES
from lilong.foundation.ledger.queries.statements import StatementLine, get_statement, stream_statement

LINES_SHOWN = 50
CSV_COLUMNS = (
    "effective_at",
    "code",
    "subject",
    "change_credits",
    "available_credits",
    "change_uc",
    "available_uc",
    "transfer_id",
)
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
    shown = statement.account.id if statement.account else ""
    context = {
        "statement": statement,
        "accounts": [(each, ACCOUNTS[each.kind]) for each in statement.accounts],
        "label": ACCOUNTS[statement.account.kind] if statement.account else "",
        "lines": [(line, MOVES.get(line.transfer.code, line.transfer.code)) for line in statement.page.items],
        "spending": chart_spending(accounts=statement.accounts, account_id=shown, now=now),
        "month": f"{begin:%Y-%m}",
        "earlier": f"{previous_month(begin):%Y-%m}",
        "later": f"{later:%Y-%m}" if later <= now else "",
        "now": now,
    }
    return render(request, "ledger/statement.html", context)


@require_safe
@for_member
def download_statement(request: HttpRequest) -> HttpResponseBase:
    """Send the whole of a month's statement as CSV, the same bytes in every language, as it is read."""
    now = utc_now()
    begin = read_month(request.GET.get("month", ""), now=now)
    account_id = request.GET.get("account", "")
    lines = stream_statement(
        actor=find_actor(request), account_id=account_id, begin=begin, end=next_month(begin), now=now
    )
    rows = chain([CSV_COLUMNS], map(_build_row, lines))
    response = StreamingHttpResponse(write_rows(rows), content_type="text/csv; charset=utf-8; header=present")
    name = quote(f"statement-{account_id or 'wallet'}-{begin:%Y-%m}.csv")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return response


def _build_row(line: StatementLine) -> tuple[str | int, ...]:
    return (
        format_moment(line.transfer.effective_at),
        guard_text(line.transfer.code),
        guard_text(line.transfer.subject),
        format_credits(line.change_uc),
        format_credits(line.available_uc),
        line.change_uc,
        line.available_uc,
        line.transfer.id,
    )


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
