"""Words of organisations in templates: `{% load members %}`."""

from collections.abc import Iterable

from django import template
from django.utils.translation import gettext

from lilong.foundation.members.pages.words import KINDS, ROLES, name_evidence

register = template.Library()


@register.filter
def organisation_kind(kind: str) -> str:
    """Write what a kind of organisation is called: `{{ organisation.kind|organisation_kind }}`."""
    return str(KINDS.get(kind, kind))


@register.filter
def role_word(role: str) -> str:
    """Write what a role is called: `{{ membership.role|role_word }}`."""
    return str(ROLES.get(role, role))


@register.filter
def role_words(roles: Iterable[str]) -> str:
    """Write what several roles are called, in one line."""
    return gettext(", ").join(role_word(role) for role in roles)


@register.filter
def evidence_kind(kind: str) -> str:
    """Write what a kind of document is called: `{{ document.kind|evidence_kind }}`."""
    return name_evidence(kind)
