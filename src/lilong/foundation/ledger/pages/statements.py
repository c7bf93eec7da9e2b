"""The statement of an account, by month: as a page, as CSV, and in Beancount."""

from datetime import timedelta
from itertools import chain
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.money import format_credits
from lilong.common.periods import read_month
from lilong.common.spreadsheets import guard_text, write_rows
from lilong.common.time import format_moment, utc_now
from lilong.foundation.ledger.pages.charts import chart_spending
from lilong.foundation.ledger.pages.words import ACCOUNTS, MOVES
from lilong.foundation.ledger.queries.beancount import export_own_beancount
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


@require_safe
@for_member
def show_statement(request: HttpRequest) -> HttpResponseBase:
    """Show what moved on an account of the organisation in one month, and what could be spent after each movement."""
    now = utc_now()
    month = read_month(request.GET.get("month", ""), now=now)
    statement = get_statement(
        actor=find_actor(request),
        account_id=request.GET.get("account", ""),
        begin=month.begin,
        end=month.end,
        cursor=request.GET.get("cursor"),
        limit=LINES_SHOWN,
        now=now,
    )
    shown = statement.account.id if statement.account else ""
    context = {
        "statement": statement,
        "accounts": [(each, ACCOUNTS[each.kind]) for each in statement.accounts],
        "label": ACCOUNTS[statement.account.kind] if statement.account else "",
        "lines": [(line, MOVES.get(line.transfer.code, line.transfer.code)) for line in statement.page.items],
        "spending": chart_spending(accounts=statement.accounts, account_id=shown, now=now),
        "month": f"{month.begins_on:%Y-%m}",
        "earlier": f"{month.begins_on - timedelta(days=1):%Y-%m}",
        "later": f"{month.ends_on:%Y-%m}" if month.end <= now else "",
        "has_rates": bool(settings.LILONG.credit_rates),
        "now": now,
    }
    return render(request, "ledger/statement.html", context)


@require_safe
@for_member
def download_statement(request: HttpRequest) -> HttpResponseBase:
    """Send the whole of a month's statement as CSV, the same bytes in every language, as it is read."""
    now = utc_now()
    month = read_month(request.GET.get("month", ""), now=now)
    account_id = request.GET.get("account", "")
    lines = stream_statement(
        actor=find_actor(request), account_id=account_id, begin=month.begin, end=month.end, now=now
    )
    rows = chain([CSV_COLUMNS], map(_build_row, lines))
    response = StreamingHttpResponse(write_rows(rows), content_type="text/csv; charset=utf-8; header=present")
    name = quote(f"statement-{account_id or 'wallet'}-{month.begins_on:%Y-%m}.csv")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return response


@require_safe
@for_member
def download_books(request: HttpRequest) -> HttpResponseBase:
    """Send the organisation's books of a month as a Beancount file, the same bytes in every language."""
    month = read_month(request.GET.get("month", ""), now=utc_now())
    lines = export_own_beancount(actor=find_actor(request), period=month)
    response = HttpResponse("".join(lines), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="books-{month.begins_on:%Y-%m}.beancount"'
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
