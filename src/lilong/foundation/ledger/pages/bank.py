"""The operators' pages of the bank's statements: importing, matching entry by entry, and reconciling with the books."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.forms import DayField, render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.django.sentences import tell
from lilong.common.django.uploads import CheckedUpload, find_upload, takes_file
from lilong.common.time import utc_now
from lilong.foundation.ledger.core.bank.files import FILE_BYTES_MAX, HEAD_BYTES, is_statement_head
from lilong.foundation.ledger.core.bank.statements import BankFileUnreadable, BankStatementInvalid
from lilong.foundation.ledger.queries.bank import (
    get_bank_statement,
    list_bank_entries,
    list_bank_statements,
    list_missing_statements,
)
from lilong.foundation.ledger.queries.bank_payments import find_today, read_valuer
from lilong.foundation.ledger.queries.bank_reconciliation import read_reconciliation
from lilong.foundation.ledger.services.bank import ImportReport, confirm_match, import_statements

STATEMENTS_SHOWN = 25
ENTRIES_SHOWN = 50
LINES_SHOWN = 500
FILE = "file"

takes_statements = takes_file(bytes_max=FILE_BYTES_MAX, head_bytes=HEAD_BYTES, fits=is_statement_head)


class BankFileForm(forms.Form):
    """A file of statements."""

    file = forms.FileField(
        label=_("File"),
        help_text=format_lazy(
            _("CAMT.053 of the versions 001.02 to 001.08, or CSV with our columns; at most {size} MiB."),
            size=FILE_BYTES_MAX // 1024**2,
        ),
        widget=forms.FileInput(attrs={"accept": ".xml,.c53,.csv"}),
    )

    def __init__(self, *args: Any, upload: CheckedUpload | None = None, **options: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **options)
        if upload is not None and FILE in upload.refused:
            wrong = _("This is no CAMT.053 and no CSV with our columns, whatever its name says.")
            self.fields[FILE].error_messages = {"required": wrong}


class DayForm(forms.Form):
    """The day as of whose end to reconcile."""

    on = DayField(label=_("As of the end of"))


@require_safe
@for_operator
def show_bank(request: HttpRequest) -> HttpResponseBase:
    """List the bank's statements, say which are missing, and offer to import a file."""
    return _render_bank(request, BankFileForm())


@require_POST
@for_operator
@takes_statements
def take_file(request: HttpRequest) -> HttpResponseBase:
    """Import a file of statements."""
    form = BankFileForm(request.POST, request.FILES, upload=find_upload(request))
    if not form.is_valid():
        return _render_bank(request, form)
    try:
        report = import_statements(actor=find_actor(request), content=form.cleaned_data[FILE].read(), now=utc_now())
    except (BankFileUnreadable, BankStatementInvalid) as refusal:
        form.add_error(FILE, tell(refusal.detail))
        return _render_bank(request, form)
    messages.success(request, _tell_report(report))
    return redirect("desk_bank_statement", statement_id=report.statement_ids[0])


@require_safe
@for_operator
def show_statement(request: HttpRequest, statement_id: str) -> HttpResponseBase:
    """Show a statement's entries, each with what it is held for."""
    actor = find_actor(request)
    context = {
        "statement": get_bank_statement(actor=actor, statement_id=statement_id),
        "page": list_bank_entries(
            actor=actor, statement_id=statement_id, cursor=request.GET.get("cursor"), limit=ENTRIES_SHOWN
        ),
        "valuer": read_valuer(),
        "now": utc_now(),
    }
    return render(request, "ledger/bank_statement.html", context)


@require_POST
@for_operator
def match_entry(request: HttpRequest, entry_id: str) -> HttpResponseBase:
    """Confirm which payment an entry is."""
    confirm_match(
        actor=find_actor(request), entry_id=entry_id, payment_id=request.POST.get("payment_id", ""), now=utc_now()
    )
    messages.success(request, gettext("Matched; the books and the record have it."))
    statement_id = request.POST.get("statement_id", "")
    return redirect("desk_bank_statement", statement_id=statement_id) if statement_id else redirect("desk_bank")


@require_safe
@for_operator
def show_reconciliation(request: HttpRequest) -> HttpResponseBase:
    """Show the bank's balance on a day against the books, each difference a line."""
    form = DayForm(request.GET) if "on" in request.GET else DayForm({"on": find_today(now=utc_now())})
    on: date | None = form.cleaned_data["on"] if form.is_valid() else None
    valuer = read_valuer()
    found = read_reconciliation(actor=find_actor(request), on=on) if on and valuer.rates else None
    context = {
        "valuer": valuer,
        "form": form,
        "found": found,
        "lines": found.result.lines[:LINES_SHOWN] if found else (),
        "left_out": max(0, len(found.result.lines) - LINES_SHOWN) if found else 0,
    }
    return render_form(request, "ledger/bank_reconciliation.html", context, is_refused=on is None)


def _tell_report(report: ImportReport) -> str:
    if not report.entries_new and not report.statements_new:
        return gettext("Everything in this file was here already; nothing has changed.")
    count = report.entries_new
    said = ngettext("Imported: %(count)s new entry.", "Imported: %(count)s new entries.", count)
    return said % {"count": count}


def _render_bank(request: HttpRequest, form: BankFileForm) -> HttpResponseBase:
    actor = find_actor(request)
    context = {
        "page": list_bank_statements(actor=actor, cursor=request.GET.get("cursor"), limit=STATEMENTS_SHOWN),
        "gaps": list_missing_statements(actor=actor),
        "form": form,
        "valuer": read_valuer(),
        "day_form": DayForm(initial={"on": find_today(now=utc_now())}),
        "now": utc_now(),
    }
    return render_form(request, "ledger/bank.html", context, is_refused=bool(form.errors))
