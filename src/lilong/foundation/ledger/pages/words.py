"""What people read instead of the codes of accounts and transfers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import pgettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

ACCOUNTS: "Mapping[str, _StrOrPromise]" = {
    "wallet": _("account", "Wallet"),
    "project_budget": _("account", "Project budget"),
    "voucher": _("account", "Voucher"),
    "programme_fund": _("account", "Programme fund"),
    "order_escrow": _("account", "Order escrow"),
    "challenge_escrow": _("account", "Challenge escrow"),
    "hub_fee": _("account", "Hub fee"),
    "service_reserve": _("account", "Service reserve"),
    "member_debt": _("account", "Owed to a programme"),
    "receivable": _("account", "Receivable of a programme"),
    "outside": _("account", "Outside"),
    "provider_available": _("account", "Earnings, available"),
    "provider_accruing": _("account", "Earnings, accruing"),
}

MOVES: "Mapping[str, _StrOrPromise]" = {
    "top_up": _("transfer", "Top-up"),
    "issue_voucher": _("transfer", "Voucher issued"),
    "voucher_expired": _("transfer", "Voucher expired"),
    "claw_back": _("transfer", "Voucher money owed back"),
    "claw_back_taken": _("transfer", "Voucher money taken back"),
    "claw_back_eased": _("transfer", "Owed no longer"),
    "claw_back_returned": _("transfer", "Voucher money returned"),
    "reserve": _("transfer", "Reserved by a quote"),
    "unreserve": _("transfer", "Reservation of a quote ended"),
    "hold": _("transfer", "Held for an order"),
    "settle": _("transfer", "Settled; the rest given back"),
    "pay": _("transfer", "Earned"),
    "fee": _("transfer", "Fee of the hub"),
    "release": _("transfer", "Earnings released"),
    "correct": _("transfer", "Charge corrected"),
    "correction": _("transfer", "Charge corrected"),
    "service_credit": _("transfer", "Credit for lost time"),
    "hub_fault": _("transfer", "Time lost by the hub's fault"),
    "pay_out_hold": _("transfer", "Held for a pay-out"),
    "pay_out_refused": _("transfer", "Pay-out refused"),
    "pay_out": _("transfer", "Paid out"),
}

FINDINGS: "Mapping[str, _StrOrPromise]" = {
    "matched": _("bank entry", "An operator confirmed it."),
    "proposed": _("bank entry", "Reference and amount agree."),
    "several": _("bank entry", "More than one has this reference and amount: choose by who paid."),
    "amount_differs": _("bank entry", "The reference is known, with another amount."),
    "not_approved": _("bank entry", "Nobody may have sent this yet: its case is not approved."),
    "refused": _("bank entry", "Its case was refused: send the money back, or wait for an appeal."),
    "paid_already": _("bank entry", "Another entry is this payment already: it may have been paid twice."),
    "unknown": _("bank entry", "No top-up or pay-out has a reference that stands here."),
}

LINES: "Mapping[str, _StrOrPromise]" = {
    "opening": _("reconciliation", "There before the first statement"),
    "earlier": _("reconciliation", "In the books before the first statement"),
    "unmatched": _("reconciliation", "On a statement, not matched"),
    "not_booked": _("reconciliation", "Matched, not in the books yet"),
    "top_up_on_its_way": _("reconciliation", "Top-up in the books, not matched on a statement"),
    "pay_out_on_its_way": _("reconciliation", "Pay-out sent, not matched on a statement"),
    "other_move": _("reconciliation", "Moved in the books by something else"),
    "rate": _("reconciliation", "Worth otherwise by today's settings"),
}
