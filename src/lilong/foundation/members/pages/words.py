"""What people read instead of the codes of organisations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import pgettext_lazy as _

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
SCOPES: "Mapping[str, _StrOrPromise]" = {
    "read": _("scope", "See what you may see"),
    "run": _("scope", "Ask for quotes, order and cancel jobs, change volumes"),
    "pay": _("scope", "Ask for top-ups and pay-outs"),
    "manage": _("scope", "Change people, tokens, secrets and webhooks"),
    "operate": _("scope", "Operate the hub"),
}
