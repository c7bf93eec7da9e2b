"""What people read instead of the codes of organisations and roles."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import get_language, gettext, gettext_noop
from django.utils.translation import pgettext_lazy as _

from lilong.common.errors import LilongError
from lilong.foundation.members.queries.evidence import load_evidence_kinds

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

ALLAUTH_TEXTS = (
    gettext_noop("Two-Factor Authentication"),
    gettext_noop("Password Reset"),
    gettext_noop("Sign Out"),
    gettext_noop("Sign in with a passkey"),
)
"""Texts of allauth that say things in other words than ours in Chinese: what our catalogue has comes before its own."""

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
ROLES: "Mapping[str, _StrOrPromise]" = {
    "operator": _("role", "operator"),
    "owner": _("role", "owner"),
    "admin": _("role", "admin"),
    "member": _("role", "member"),
    "billing": _("role", "billing"),
    "viewer": _("role", "viewer"),
}
ROLE_CHOICES: "Mapping[str, _StrOrPromise]" = {
    "operator": _("role choice", "Operator: everything at the hub"),
    "owner": _("role choice", "Owner: everything, also making owners and admins"),
    "admin": _("role choice", "Admin: jobs, pools and people, but no top-ups or pay-outs"),
    "member": _("role choice", "Member: orders and runs jobs"),
    "billing": _("role choice", "Billing: top-ups, pay-outs, disputes"),
    "viewer": _("role choice", "Viewer: looks on, changes nothing"),
}
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


def say_refusal(refusal: LilongError) -> str:
    """Return a refusal in two sentences: what it is, and the next step."""
    said = {"title": gettext(refusal.title), "next_step": gettext(refusal.next_step)}
    return gettext("{title}. {next_step}").format(**said)


def name_evidence(kind: str) -> str:
    """Return what a kind of document is called, as the published list says; of an unknown one, its code."""
    known = load_evidence_kinds().kinds.get(kind)
    if known is None:
        return kind
    return known.name_zh if (get_language() or "").startswith("zh") else known.name_en
