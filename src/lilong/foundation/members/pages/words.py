"""What people read instead of the codes of organisations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import get_language, gettext
from django.utils.translation import pgettext_lazy as _

from lilong.foundation.members.queries.evidence import load_evidence_kinds

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

KINDS: "Mapping[str, _StrOrPromise]" = {
    "resident": _("organisation", "Resident"),
    "virtual": _("organisation", "Virtual resident"),
    "chain": _("organisation", "Industry chain partner"),
    "provider": _("organisation", "Provider"),
    "sponsor": _("organisation", "Sponsor"),
    "investor": _("organisation", "Investor"),
    "maker": _("organisation", "Maker"),
    "hub": _("organisation", "The hub itself"),
}
STANDINGS: "Mapping[str, _StrOrPromise]" = {code: KINDS[code] for code in KINDS if code not in {"maker", "hub"}}
STATES: "Mapping[str, _StrOrPromise]" = {
    "applied": _("organisation", "Waiting for admission"),
    "admitted": _("organisation", "Admitted"),
    "suspended": _("organisation", "Suspended"),
}


def name_evidence(kind: str) -> str:
    """Return what a kind of document is called, as the published list says; of an unknown one, its code."""
    known = load_evidence_kinds().kinds.get(kind)
    if known is None:
        return kind
    return known.name_zh if (get_language() or "").startswith("zh") else known.name_en


def say(sentence: str) -> str:
    """Return a sentence of the core or of a service in the reader's language."""
    return gettext(sentence)
