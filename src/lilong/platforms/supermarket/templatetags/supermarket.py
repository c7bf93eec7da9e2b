"""Filters of the supermarket's pages."""

from django import template
from django.utils.translation import get_language

from lilong.platforms.supermarket.core.routes import count_card_hours
from lilong.platforms.supermarket.queries.invoice_papers import format_total
from lilong.platforms.supermarket.queries.invoices import InvoiceView

register = template.Library()


@register.filter
def card_hours(card_ms: int) -> int:
    """Return time on cards in whole card-hours, rounded up: `{{ review.card_ms|card_hours|count }}`."""
    return count_card_hours(card_ms)


@register.filter
def invoice_total(invoice: InvoiceView) -> str:
    """Return an invoice's total in its currency as the reader's language writes it."""
    return format_total(invoice=invoice, language=get_language() or "")
