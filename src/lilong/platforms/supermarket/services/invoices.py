"""Issue the invoices of a closed month: numbers without gaps, each paper once, whatever is killed or asked twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from babel.numbers import get_currency_precision
from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.django.rates import list_rates
from lilong.common.errors import Conflict, LilongError
from lilong.common.ids import new_id
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.ledger.public.moves import find_closed_until, list_payers
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.core.charges import Charge
from lilong.platforms.supermarket.core.focus import Parties
from lilong.platforms.supermarket.core.invoices import (
    Corrected,
    Heading,
    Named,
    Paper,
    PaperKind,
    Terms,
    build_document,
    choose_kind,
    file_charges,
    read_document,
    write_document,
    write_number,
)
from lilong.platforms.supermarket.models import Invoice, InvoiceMonth, InvoiceSeries
from lilong.platforms.supermarket.queries.focus import list_charges_of, name_parties
from lilong.platforms.supermarket.queries.invoice_terms import (
    find_party,
    find_treatment,
    load_taxes,
    name_party,
)

INVOICE_ENTRY = "supermarket.invoice"
ORGANISATIONS_AT_ONCE = 50
"""How many organisations one call looks at; the next goes on after the last, so that no call takes long."""


class MonthOpen(Conflict):
    """Something can still count for the month."""

    code = "supermarket.month_open"
    title = "The books of this month are not closed"
    next_step = "Close them up to the end of the month, at the desk under Invoices or by POST /api/v1/ledger/periods."


class MonthOutOfOrder(Conflict):
    """Months are invoiced one after another, so that a credit note always finds the invoice that it corrects."""

    code = "supermarket.month_out_of_order"
    title = "Another month comes first"
    next_step = "Issue the month that is named here; one without charges issues nothing."


class SellerMissing(Conflict):
    """The hub has not said who it is on invoices."""

    code = "supermarket.seller_missing"
    title = "It is not said who issues the invoices"
    next_step = "As an operator enter the hub's legal name and address under Organisation, Invoices."


class CorrectedMissing(Conflict):
    """A credit note would have to name an invoice that is not issued yet."""

    code = "supermarket.corrected_missing"
    title = "The invoice that this would correct is not issued yet"
    next_step = "Mend what kept that month's invoice from being issued, issue it, then this month again."


@dataclass(frozen=True, slots=True)
class Refused:
    """An organisation whose papers were not issued, and why."""

    organisation_id: str
    error: LilongError


@dataclass(frozen=True, slots=True)
class MonthIssued:
    """What one call came to. issued: numbers; next_after: go on after it, empty when the month is done."""

    issued: Sequence[str]
    refused: Sequence[Refused]
    next_after: str


def issue_month(*, actor: Actor, month: DayPeriod, after: str, now: datetime) -> MonthIssued:
    """Issue what is not issued yet for the next organisations, each in a transaction of its own. Idempotent.

    after: `next_after` of the call before, empty at first. What is wrong with one organisation is told and holds up no
    other. Raises NotAllowed, MonthOpen, MonthOutOfOrder, SellerMissing. Cost: linear in those organisations' charges.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    closed_until = find_closed_until()
    if closed_until is None or closed_until < month.end:
        until = format_moment(closed_until) if closed_until else "–"
        raise MonthOpen(detail=say("The books are closed until {until}.", until=until))
    seller = find_party(organisation_id=actor.organisation_id)
    if seller is None:
        raise SellerMissing
    _begin_month(month, actor, now=now)
    payers = list_payers(begin=month.begin, end=month.end, after=after, limit=ORGANISATIONS_AT_ONCE)
    issued: list[str] = []
    refused: list[Refused] = []
    for organisation_id in payers:
        try:
            issued += _issue(organisation_id, seller, month, now=now)
        except LilongError as error:
            refused.append(Refused(organisation_id, error))
    next_after = payers[-1] if len(payers) == ORGANISATIONS_AT_ONCE else ""
    return MonthIssued(issued=issued, refused=refused, next_after=next_after)


def _begin_month(month: DayPeriod, actor: Actor, *, now: datetime) -> None:
    """Note that the month is invoiced; refuse one that is neither the next nor begun already."""
    with transaction.atomic():
        _lock_series(now.year)
        if InvoiceMonth.objects.filter(month=month.begins_on).exists():
            return
        last = InvoiceMonth.objects.order_by("-month").first()
        if last is not None:
            wanted = (last.month + timedelta(days=32)).replace(day=1)
            if month.begins_on != wanted:
                raise MonthOutOfOrder(detail=say("The next month to issue is {month}.", month=f"{wanted:%Y-%m}"))
        InvoiceMonth.objects.create(id=new_id("imo"), month=month.begins_on, begun_by=actor.person_id, begun_at=now)


def _issue(organisation_id: str, seller: Named, month: DayPeriod, *, now: datetime) -> list[str]:
    """Issue the papers of one organisation that are missing, and return their numbers."""
    rates = list_rates()
    charges = list_charges_of(organisation_id=organisation_id, period=month)
    papers = file_charges(charges=charges, rates=rates)
    if not papers:
        return []
    terms = Terms(
        rates=rates,
        taxes=load_taxes(),
        treatment=find_treatment(organisation_id=organisation_id, hub_id=seller.organisation_id),
    )
    parties = name_parties(organisation_id=organisation_id, charges=charges)
    buyer = name_party(organisation_id=organisation_id)
    with transaction.atomic():
        series = _lock_series(now.year)
        known = Invoice.objects.filter(organisation_id=organisation_id, month=month.begins_on)
        done = {Paper(row.currency, row.about_month) for row in known.defer("document")}
        missing = {paper: found for paper, found in papers.items() if paper not in done and _has_lines(found)}
        return [
            _write(paper, found, series, parties=parties, terms=terms, month=month, seller=seller, buyer=buyer, now=now)
            for paper, found in sorted(missing.items(), key=lambda each: (each[0].about_month, each[0].currency))
        ]


def _write(
    paper: Paper,
    charges: Sequence[Charge],
    series: Mapping[PaperKind, InvoiceSeries],
    *,
    parties: Parties,
    terms: Terms,
    month: DayPeriod,
    seller: Named,
    buyer: Named,
    now: datetime,
) -> str:
    """Take the next number of the locked series, write the paper and record it."""
    counter = series[choose_kind(charges=charges)]
    corrects = _find_corrected(buyer.organisation_id, paper, month)
    counter.last_number += 1
    number = write_number(kind=PaperKind(counter.kind), year=counter.year, number=counter.last_number)
    heading = Heading(
        number=number,
        issued_on=now.astimezone(UTC).date(),
        month=month.begins_on,
        corrects=_name_corrected(corrects),
        seller=seller,
        buyer=buyer,
        decimals=get_currency_precision(paper.currency),
    )
    document = build_document(paper=paper, heading=heading, charges=charges, parties=parties, terms=terms)
    content, invoice_id = write_document(document=document), new_id("inv")
    counter.save(update_fields=["last_number"])
    entry_id = append(
        kind=INVOICE_ENTRY,
        subject_id=invoice_id,
        payload={
            "currency": paper.currency,
            "document_sha256": sha256_hex(content.encode()),
            "month": f"{month.begins_on:%Y-%m}",
            "number": number,
            "total_minor": document.total_minor,
            "total_uc": document.total_uc,
        },
        organisation_id=buyer.organisation_id,
        now=now,
    )
    Invoice.objects.create(
        id=invoice_id,
        kind=document.kind.value,
        year=counter.year,
        number=counter.last_number,
        organisation_id=buyer.organisation_id,
        month=month.begins_on,
        about_month=paper.about_month,
        currency=paper.currency,
        corrects=corrects,
        document=content,
        record_entry_id=entry_id,
        issued_at=now,
    )
    return number


def _find_corrected(organisation_id: str, paper: Paper, month: DayPeriod) -> Invoice | None:
    """Return the invoice of the month that a paper is about; None for that month itself, or one before all invoices."""
    if paper.about_month == month.begins_on or not InvoiceMonth.objects.filter(month=paper.about_month).exists():
        return None
    of_month = Invoice.objects.filter(
        organisation_id=organisation_id, month=paper.about_month, about_month=paper.about_month
    )
    found = of_month.filter(currency=paper.currency).first() or of_month.order_by("id").first()
    if found is None:
        raise CorrectedMissing(detail=say("It is that of {month}.", month=f"{paper.about_month:%Y-%m}"))
    return found


def _name_corrected(invoice: Invoice | None) -> Corrected | None:
    if invoice is None:
        return None
    document = read_document(content=invoice.document)
    return Corrected(number=document.number, issued_on=document.issued_on)


def _has_lines(charges: Sequence[Charge]) -> bool:
    """Whether anything was supplied or given back: that another voucher pays is no reason for a paper."""
    return any(not charge.voucher_id for charge in charges)


def _lock_series(year: int) -> dict[PaperKind, InvoiceSeries]:
    """Lock the counters of a year until the transaction ends, always in the same order, and make those missing."""
    for kind in PaperKind:
        InvoiceSeries.objects.get_or_create(kind=kind.value, year=year, defaults={"id": new_id("isr")})
    rows = InvoiceSeries.objects.select_for_update().filter(year=year).order_by("kind")
    return {PaperKind(row.kind): row for row in rows}
