"""Invoices for tests that need one to be there, whatever it says."""

from django.db import transaction

from lilong.common.ids import new_id
from lilong.platforms.supermarket.core.invoices import Document, Named, PaperKind, write_document
from lilong.platforms.supermarket.models import Invoice
from tests.people import NOW


def write_invoice(organisation_id: str) -> str:
    """Write an invoice of nothing for an organisation, unless it has one, and return its id."""
    month = NOW.date().replace(day=1)
    known = Invoice.objects.filter(organisation_id=organisation_id).first()
    if known is not None:
        return known.id
    party = Named(organisation_id=organisation_id, name="Somebody", address="", tax_number="")
    facts = {"lines": (), "rates": (), "taxes": (), "total_uc": 0, "total_minor": 0, "voucher_uc": 0}
    document = Document(
        kind=PaperKind.INVOICE,
        number="INV-2026-000001",
        issued_on=NOW.date(),
        month=month,
        about_month=month,
        corrects=None,
        seller=party,
        buyer=party,
        currency="CNY",
        decimals=2,
        voucher_minor=0,
        **facts,
    )
    with transaction.atomic():
        invoice = Invoice.objects.create(
            id=new_id("inv"),
            kind=document.kind,
            year=NOW.year,
            number=1,
            organisation_id=organisation_id,
            month=month,
            about_month=month,
            currency="CNY",
            document=write_document(document=document),
            record_entry_id=new_id("rec"),
            issued_at=NOW,
        )
    return invoice.id
