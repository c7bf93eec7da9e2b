"""What people read instead of the codes of cases, and the sentences of rules and terms that pages translate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from lilong.foundation.cases.core.admission import ADMISSION_CASE
from lilong.foundation.cases.core.appeals import APPEAL_CASE
from lilong.foundation.cases.core.standings import STANDING_CASE

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

KINDS: "Mapping[str, _StrOrPromise]" = {
    ADMISSION_CASE: pgettext_lazy("case", "Admission of an organisation"),
    STANDING_CASE: pgettext_lazy("case", "Standing of an organisation"),
    APPEAL_CASE: pgettext_lazy("case", "Appeal"),
    "ledger.top_up": pgettext_lazy("case", "Top-up of a wallet"),
    "ledger.pay_out": pgettext_lazy("case", "Pay-out"),
    "funding.fund_programme": pgettext_lazy("case", "Money for a programme"),
    "funding.claw_back": pgettext_lazy("case", "Voucher money asked back"),
    "funding.publish_rule": pgettext_lazy("case", "Rule of a programme"),
    "supermarket.dispute": pgettext_lazy("case", "Dispute about a charge"),
    "supermarket.light_review": pgettext_lazy("case", "Light review of a large order"),
    "supermarket.full_review": pgettext_lazy("case", "Full review of a large order"),
}

FACTS: "Mapping[str, _StrOrPromise]" = {
    "amount_uc": pgettext_lazy("fact", "Amount"),
    "appeal": pgettext_lazy("fact", "Why it should be looked at again"),
    "approved_because": pgettext_lazy("fact", "Approved because"),
    "attempt_ids": pgettext_lazy("fact", "Attempts"),
    "beneficiary": pgettext_lazy("fact", "Paid to"),
    "card_hours": pgettext_lazy("fact", "Card-hours asked for"),
    "card_hours_counted": pgettext_lazy("fact", "Card-hours that count with them"),
    "card_hours_distance": pgettext_lazy("fact", "Card-hours below the limit of this route"),
    "card_hours_in_project": pgettext_lazy("fact", "Card-hours of this project in the window"),
    "claim_uc": pgettext_lazy("fact", "Claimed back"),
    "claw_back_reason": pgettext_lazy("fact", "Reason of the rule"),
    "days": pgettext_lazy("fact", "Days"),
    "due_uc": pgettext_lazy("fact", "Charged"),
    "job": pgettext_lazy("fact", "Job"),
    "kind": pgettext_lazy("fact", "Kind of organisation"),
    "max_uc": pgettext_lazy("fact", "At most"),
    "name": pgettext_lazy("fact", "Name"),
    "order_id": pgettext_lazy("fact", "Order"),
    "order_ids": pgettext_lazy("fact", "Orders"),
    "pack_sha256": pgettext_lazy("fact", "Hash of its file"),
    "project": pgettext_lazy("fact", "Project"),
    "programme": pgettext_lazy("fact", "Programme"),
    "proposal_id": pgettext_lazy("fact", "Handed in as"),
    "reason": pgettext_lazy("fact", "Reason given"),
    "reference": pgettext_lazy("fact", "Reference of the payment"),
    "refused_because": pgettext_lazy("fact", "Refused because"),
    "request_kind": pgettext_lazy("fact", "What was asked for"),
    "rule": pgettext_lazy("fact", "Published rule"),
    "rule_sha256": pgettext_lazy("fact", "Hash of the rule"),
    "rule_version": pgettext_lazy("fact", "Version of the rule"),
    "standing": pgettext_lazy("fact", "Asks to be"),
    "valid_from": pgettext_lazy("fact", "In force from"),
    "voucher_id": pgettext_lazy("fact", "Voucher"),
}

CLAW_BACK_REASONS: "Mapping[str, _StrOrPromise]" = {
    "false_declaration": _("something was declared that is not so"),
    "related_party": _("the provider turns out to be a related party"),
    "claimed_twice": _("the same price was claimed elsewhere too"),
    "other_purpose": _("it was used for something else"),
    "product_withdrawn": _("what it was used for was withdrawn"),
}

CODES: "Mapping[str, Mapping[str, _StrOrPromise]]" = {"claw_back_reason": CLAW_BACK_REASONS, "request_kind": KINDS}
"""What the codes of these facts mean."""

TRANSLATED = (
    _("All conditions of the rule are met."),
    _("Many organisations were admitted within a day: a person decides."),
    _("A person decides on organisations of the kind provider."),
    _("A person decides on organisations of the kind sponsor."),
    _("A person decides on organisations of the kind investor."),
    _("A person decides on organisations of the kind chain."),
    _("A person decides on organisations of the kind virtual."),
    _("Apply again with another organisation once the facts have changed."),
    _("Apply again once what the reason names has been put right."),
    _("Ask again under the reference of a payment that arrived."),
    _("The money is available again: ask for the pay-out anew, with what the reason names put right."),
    _("Ask anew under the reference of a payment that arrived."),
    _("Ask anew with what the reason names put right."),
    _("Hand in the next version with what the reason names put right."),
    _("Write to the operator; the charge stands and the books of that period close."),
    _("An appeal is decided once."),
    _("Order again with what the reason names put right: it is looked at anew."),
)
"""Sentences that the core and the published files hold in English: named here, so that the catalogue has them."""


def name_kind(kind: str) -> "_StrOrPromise":
    """Return what a kind of case is called; of one that is not known, its code, so that nothing is hidden."""
    return KINDS.get(kind, kind)
