"""Words of the ledger in templates: `{% load ledger %}`."""

from django import template

from lilong.foundation.ledger.pages.words import ACCOUNTS, FINDINGS, LINES

register = template.Library()


@register.filter
def account_kind(kind: str) -> str:
    """Write what a kind of account is called: `{{ account.kind|account_kind }}`."""
    return str(ACCOUNTS.get(kind, kind))


@register.filter
def bank_finding(finding: str) -> str:
    """Write why an entry of a statement is held for what it is: `{{ entry.finding|bank_finding }}`."""
    return str(FINDINGS.get(finding, finding))


@register.filter
def reconciliation_line(kind: str) -> str:
    """Write why bank and books differ by a line: `{{ line.kind|reconciliation_line }}`."""
    return str(LINES.get(kind, kind))
