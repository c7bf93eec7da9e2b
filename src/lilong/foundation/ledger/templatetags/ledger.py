"""Words of the ledger in templates: `{% load ledger %}`."""

from django import template

from lilong.foundation.ledger.pages.words import ACCOUNTS

register = template.Library()


@register.filter
def account_kind(kind: str) -> str:
    """Write what a kind of account is called: `{{ account.kind|account_kind }}`."""
    return str(ACCOUNTS.get(kind, kind))
