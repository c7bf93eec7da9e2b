"""Words of organisations in templates: `{% load members %}`."""

from django import template

from lilong.foundation.members.pages.words import KINDS, name_evidence

register = template.Library()


@register.filter
def organisation_kind(kind: str) -> str:
    """Write what a kind of organisation is called: `{{ organisation.kind|organisation_kind }}`."""
    return str(KINDS.get(kind, kind))


@register.filter
def evidence_kind(kind: str) -> str:
    """Write what a kind of document is called: `{{ document.kind|evidence_kind }}`."""
    return name_evidence(kind)
