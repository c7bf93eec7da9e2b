"""The door of the supermarket for who hands over what was reported and invoiced: reports of programmes, invoices."""

from lilong.platforms.supermarket.queries.invoice_papers import set_invoice
from lilong.platforms.supermarket.queries.invoices import InvoiceSheet, list_issued
from lilong.platforms.supermarket.queries.programme_reports import build_report

__all__ = ["InvoiceSheet", "build_report", "list_issued", "set_invoice"]
