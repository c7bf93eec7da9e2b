"""Words of organisations in templates: `{% load members %}`."""

from django import template

from lilong.foundation.members.pages.words import KINDS

register = template.Library()


@register.filter
def organisation_kind(kind: str) -> str:
    """Write what a kind of organisation is called: `{{ organisation.kind|organisation_kind }}`."""
    return str(KINDS.get(kind, kind))
