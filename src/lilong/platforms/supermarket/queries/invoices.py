"""Invoices and credit notes as they were issued."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from lilong.common.canonical import sha256_hex
from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.common.rates import Rate, choose_rate
from lilong.common.sentences import say
from lilong.platforms.supermarket.core.charges import Charge
from lilong.platforms.supermarket.core.focus import find_month
from lilong.platforms.supermarket.core.invoices import (
    Document,
    Paper,
    PaperKind,
    find_about_month,
    read_document,
    write_number,
)
from lilong.platforms.supermarket.models import Invoice

ROWS_AT_ONCE = 100


class InvoiceMissing(NotFound):
    """There is no such invoice that the actor may see."""

    code = "supermarket.invoice_missing"
    title = "There is no such invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice or credit note. total_minor: in the currency's minor unit, of which `decimals` make one unit.

    sha256: of the document, as the record has it.
    """

    id: str
    number: str
    kind: PaperKind
    organisation_id: str
    buyer: str
    month: date
    about_month: date
    currency: str
    decimals: int
    total_minor: int
    total_uc: int
    issued_at: datetime
    sha256: str
    record_entry_id: str


@dataclass(frozen=True, slots=True)
class InvoiceSheet:
    """An invoice with its document, and the text of it whose SHA-256 is recorded."""

    view: InvoiceView
    document: Document
    content: str


def list_invoices(
    *, actor: Actor, cursor: str | None, limit: int, organisation_id: str = "", month: date | None = None
) -> Page[InvoiceView]:
    """Return one page of the invoices that the actor may see, newest first. One query."""
    rows = Invoice.objects.visible_to(actor)
    if organisation_id:
        rows = rows.filter(organisation_id=organisation_id)
    if month:
        rows = rows.filter(month=month)
    page = page_newest_first(rows, cursor=cursor, limit=limit)
    return Page(
        items=[_view(row, read_document(content=row.document)) for row in page.items], next_cursor=page.next_cursor
    )


def get_invoice(*, actor: Actor, invoice_id: str) -> InvoiceSheet:
    """Return an invoice with its document. Raises InvoiceMissing. One query."""
    row = Invoice.objects.visible_to(actor).filter(pk=invoice_id).first()
    if row is None:
        raise InvoiceMissing(detail=say("There is no invoice {invoice_id}.", invoice_id=invoice_id[:64]))
    document = read_document(content=row.document)
    return InvoiceSheet(view=_view(row, document), document=document, content=row.document)


def list_issued(*, period: DayPeriod) -> Iterator[InvoiceSheet]:
    """Yield the invoices and credit notes of the months that begin in a period, by kind and number. One query."""
    rows = Invoice.objects.filter(month__gte=period.begins_on, month__lt=period.ends_on).order_by(
        "kind", "year", "number"
    )
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        document = read_document(content=row.document)
        yield InvoiceSheet(view=_view(row, document), document=document, content=row.document)


def number_charges(*, organisation_id: str, charges: Iterable[Charge], rates: Iterable[Rate]) -> list[str]:
    """Return for each charge the number of the paper that it stands on, empty where none is issued. One query."""
    charges, rates = list(charges), list(rates)
    months = {find_month(charge.effective_at)[0].date() for charge in charges}
    rows = Invoice.objects.filter(organisation_id=organisation_id, month__in=months).defer("document")
    issued = {(row.month, Paper(row.currency, row.about_month)): _number(row) for row in rows}
    numbers = []
    for charge in charges:
        month = find_month(charge.effective_at)[0].date()
        currency = choose_rate(rates=rates, at=charge.effective_at).currency
        about = Paper(currency, find_about_month(charge=charge))
        numbers.append(issued.get((month, about)) or issued.get((month, Paper(currency, month)), ""))
    return numbers


def _number(row: Invoice) -> str:
    return write_number(kind=PaperKind(row.kind), year=row.year, number=row.number)


def _view(row: Invoice, document: Document) -> InvoiceView:
    return InvoiceView(
        id=row.id,
        number=document.number,
        kind=document.kind,
        organisation_id=row.organisation_id,
        buyer=document.buyer.name,
        month=row.month,
        about_month=row.about_month,
        currency=document.currency,
        decimals=document.decimals,
        total_minor=document.total_minor,
        total_uc=document.total_uc,
        issued_at=row.issued_at,
        sha256=sha256_hex(row.document.encode()),
        record_entry_id=row.record_entry_id,
    )
