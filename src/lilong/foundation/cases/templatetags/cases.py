"""Words of cases in templates: `{% load cases %}`."""

from collections.abc import Mapping

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lilong.common.django.sentences import tell
from lilong.foundation.cases.pages.words import name_kind

register = template.Library()


@register.simple_tag
def case_kind(kind: str) -> str:
    """Write what a kind of case is called: `{% case_kind case.kind %}`."""
    return str(name_kind(kind))


@register.simple_tag
def say_case(sentence: str) -> str:
    """Write a sentence of a rule or of the terms in the reader's language, and what a person wrote as it is."""
    return tell(sentence)


@register.simple_tag
def person_name(names: Mapping[str, str], person_id: str) -> SafeString:
    """Write somebody's name; of who has left, the id."""
    name = names.get(person_id)
    return format_html("{}", name) if name else format_html('<code class="id">{}</code>', person_id)
