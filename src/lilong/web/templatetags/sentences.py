"""Sentences for the codes of runs, in the reader's language; loaded everywhere like the other tags of the shell."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _

from lilong.common.money import PPM
from lilong.common.sentences import retell
from lilong.common.time import parse_moment
from lilong.protocol import reasons, waits
from lilong.protocol.messages import Fault, Reason
from lilong.protocol.waits import Wait, fill_sentence
from lilong.web import formatting

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

register = template.Library()

FAULTS: "Mapping[Fault, _StrOrPromise]" = {
    Fault.MEMBER: pgettext_lazy("fault", "It counts as the member's own."),
    Fault.PROVIDER: pgettext_lazy("fault", "It counts as the provider's fault."),
    Fault.HUB: pgettext_lazy("fault", "It counts as the hub's fault."),
    Fault.NOBODY: pgettext_lazy("fault", "It is nobody's fault."),
}
MILLISECONDS = 1000
MEBIBYTE = 1024**2
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
"""A moment as `common.time` writes it."""


@register.filter
def reason_sentence(reason: Reason) -> str:
    """Say why something ended: `{{ attempt.reason|reason_sentence }}`."""
    return _(reasons.SENTENCES[Reason(reason)])


@register.filter
def fault_sentence(fault: Fault) -> str:
    """Say whose fault an end was: `{{ attempt.fault|fault_sentence }}`."""
    return str(FAULTS[Fault(fault)])


@register.filter
def sentence(text: str) -> SafeString:
    """Say what happened: `{{ error.detail|sentence }}`; what is there in English alone is marked as that."""
    told = retell(text, translate=_, write=_write_value)
    is_foreign = told == text and text.isascii() and _language() != "en"
    return format_html('<span lang="en">{}</span>' if is_foreign else "{}", told)


@register.simple_tag
def wait_sentence(wait: Wait) -> SafeString:
    """Say one part of why something waits, as a sentence of its own: `{% wait_sentence attempt.waited %}`."""
    return format_html("{}", _begin(_say(wait)))


@register.simple_tag(name="waits")
def say_waits(parts: Iterable[Wait]) -> SafeString:
    """Say why a run waits: `{% waits run.waits %}`."""
    text = _("; ").join(map(_say, parts))
    return format_html("{}", _begin(text))


@register.filter
def milliseconds(duration_ms: int) -> str:
    """Write a duration that is counted in milliseconds."""
    return formatting.format_duration(duration_ms / MILLISECONDS, language=_language())


@register.filter
def mebibytes(count_mib: int) -> str:
    """Write an amount of memory that is counted in MiB."""
    return formatting.format_bytes(count_mib * MEBIBYTE, language=_language())


@register.filter
def per_cent(share_ppm: int) -> str:
    """Write a share that is counted in parts per million, rounded down to whole per cent."""
    return formatting.format_share(share_ppm, whole=PPM, language=_language())


@register.filter
def item(mapping: Mapping[str, object], key: str) -> object:
    """Look something up by a key that is itself a variable: `{{ charges|item:attempt.id }}`."""
    return mapping.get(key)


def _language() -> str:
    return get_language() or "en"


def _say(wait: Wait) -> str:
    return fill_sentence(wait=wait, sentence=_(waits.SENTENCES[wait.code]), write=_write)


def _write_value(value: str) -> str:
    return formatting.format_moment(parse_moment(value), language=_language()) if MOMENT.fullmatch(value) else value


def _write(name: str, value: str | int) -> str:
    if name.endswith("_s"):
        return formatting.format_duration(int(value), language=_language())
    return formatting.format_count(int(value), language=_language()) if name.endswith("_bytes") else str(value)


def _begin(text: str) -> str:
    """Make a sentence of it, as the language writes them."""
    stop = "" if text.endswith((".", "。", "!", "?")) else _(".")
    return f"{text[:1].upper()}{text[1:]}{stop}"
