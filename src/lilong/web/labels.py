"""What people read instead of stable codes: the label of each state, and its tone."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import pgettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Tone(StrEnum):
    """How a state is meant: nothing to do, in progress, good, needs a look, failed."""

    NEUTRAL = "neutral"
    BUSY = "busy"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Label:
    """A state's word and tone."""

    text: "_StrOrPromise"
    tone: Tone


LABELS: dict[str, dict[str, Label]] = {
    "order": {
        "draft": Label(_("order", "Draft"), Tone.NEUTRAL),
        "quoted": Label(_("order", "Quoted"), Tone.NEUTRAL),
        "awaiting": Label(_("order", "Waits for approval"), Tone.WARN),
        "approved": Label(_("order", "Approved, not ordered yet"), Tone.GOOD),
        "held": Label(_("order", "Held"), Tone.BUSY),
        "placed": Label(_("order", "Queued"), Tone.BUSY),
        "active": Label(_("order", "Running"), Tone.BUSY),
        "settling": Label(_("order", "Settling"), Tone.BUSY),
        "settled": Label(_("order", "Settled"), Tone.GOOD),
        "disputed": Label(_("order", "Disputed"), Tone.WARN),
        "expired": Label(_("order", "Expired"), Tone.NEUTRAL),
        "refused": Label(_("order", "Refused"), Tone.BAD),
        "cancelled": Label(_("order", "Cancelled"), Tone.NEUTRAL),
    },
    "measurement": {
        "running": Label(_("measurement", "Running"), Tone.BUSY),
        "taken": Label(_("measurement", "Taken"), Tone.GOOD),
        "refused": Label(_("measurement", "Not believed"), Tone.BAD),
    },
    "run": {
        "pending": Label(_("run", "Waiting"), Tone.BUSY),
        "active": Label(_("run", "Running"), Tone.BUSY),
        "stopping": Label(_("run", "Stopping"), Tone.BUSY),
        "succeeded": Label(_("run", "Succeeded"), Tone.GOOD),
        "failed": Label(_("run", "Failed"), Tone.BAD),
        "cancelled": Label(_("run", "Cancelled"), Tone.NEUTRAL),
        "timed_out": Label(_("run", "Out of time"), Tone.WARN),
    },
    "entitlement": {
        "entitled": Label(_("entitlement", "Entitled"), Tone.GOOD),
        "refused": Label(_("entitlement", "Not entitled"), Tone.NEUTRAL),
    },
    "voucher_decision": {
        "given": Label(_("voucher decision", "Given"), Tone.GOOD),
        "refused": Label(_("voucher decision", "Refused"), Tone.BAD),
    },
    "rule_case": {
        "passed": Label(_("rule case", "Passed"), Tone.GOOD),
        "failed": Label(_("rule case", "Failed"), Tone.BAD),
    },
    "rule_proposal": {
        "open": Label(_("rule proposal", "Waits for approval"), Tone.BUSY),
        "published": Label(_("rule proposal", "Approved"), Tone.GOOD),
        "refused": Label(_("rule proposal", "Refused"), Tone.BAD),
    },
    "claw_back": {
        "asked": Label(_("claw-back", "Asked"), Tone.BUSY),
        "approved": Label(_("claw-back", "Approved"), Tone.BAD),
        "refused": Label(_("claw-back", "Refused"), Tone.GOOD),
        "overturned": Label(_("claw-back", "Overturned on appeal"), Tone.WARN),
    },
    "budget_decision": {
        "let": Label(_("budget decision", "Within it"), Tone.GOOD),
        "refused": Label(_("budget decision", "Refused"), Tone.BAD),
    },
    "attempt": {
        "created": Label(_("attempt", "Prepared"), Tone.BUSY),
        "submitted": Label(_("attempt", "Handed over"), Tone.BUSY),
        "queued": Label(_("attempt", "Queued"), Tone.BUSY),
        "staging": Label(_("attempt", "Bringing inputs"), Tone.BUSY),
        "starting": Label(_("attempt", "Starting"), Tone.BUSY),
        "running": Label(_("attempt", "Running"), Tone.BUSY),
        "suspended": Label(_("attempt", "Suspended"), Tone.WARN),
        "stopping": Label(_("attempt", "Stopping"), Tone.BUSY),
        "succeeded": Label(_("attempt", "Succeeded"), Tone.GOOD),
        "failed": Label(_("attempt", "Failed"), Tone.BAD),
        "cancelled": Label(_("attempt", "Cancelled"), Tone.NEUTRAL),
        "preempted": Label(_("attempt", "Preempted"), Tone.WARN),
        "timed_out": Label(_("attempt", "Out of time"), Tone.WARN),
        "rejected": Label(_("attempt", "Not taken"), Tone.WARN),
        "lost": Label(_("attempt", "Lost"), Tone.BAD),
    },
    "case": {
        "open": Label(_("case", "Open"), Tone.BUSY),
        "approved": Label(_("case", "Approved"), Tone.GOOD),
        "refused": Label(_("case", "Refused"), Tone.BAD),
        "overturned": Label(_("case", "Overturned on appeal"), Tone.WARN),
    },
    "decision": {
        "approve": Label(_("decision", "Approves"), Tone.GOOD),
        "refuse": Label(_("decision", "Refuses"), Tone.BAD),
    },
    "bank-entry": {
        "matched": Label(_("bank entry", "Matched"), Tone.GOOD),
        "proposed": Label(_("bank entry", "Proposed"), Tone.BUSY),
        "several": Label(_("bank entry", "Several fit"), Tone.WARN),
        "amount_differs": Label(_("bank entry", "Amount differs"), Tone.WARN),
        "not_approved": Label(_("bank entry", "Not approved"), Tone.WARN),
        "refused": Label(_("bank entry", "Refused"), Tone.WARN),
        "paid_already": Label(_("bank entry", "Paid already"), Tone.WARN),
        "unknown": Label(_("bank entry", "Unknown"), Tone.NEUTRAL),
    },
    "pay-out": {
        "requested": Label(_("pay-out", "Asked for"), Tone.BUSY),
        "approved": Label(_("pay-out", "Approved"), Tone.BUSY),
        "sent": Label(_("pay-out", "Sent"), Tone.GOOD),
        "refused": Label(_("pay-out", "Refused"), Tone.BAD),
    },
    "transfer": {
        "post": Label(_("transfer", "Moved"), Tone.GOOD),
        "pend": Label(_("transfer", "Held"), Tone.BUSY),
        "settle": Label(_("transfer", "Settled"), Tone.GOOD),
        "void": Label(_("transfer", "Released"), Tone.NEUTRAL),
    },
    "webhook": {
        "on": Label(_("webhook", "On"), Tone.GOOD),
        "failing": Label(_("webhook", "Failing"), Tone.WARN),
        "off": Label(_("webhook", "Switched off"), Tone.BAD),
    },
    "delivery": {
        "waiting": Label(_("delivery", "On its way"), Tone.BUSY),
        "delivered": Label(_("delivery", "Delivered"), Tone.GOOD),
        "given_up": Label(_("delivery", "Given up"), Tone.BAD),
    },
    "mail": {
        "waiting": Label(_("mail", "Waiting"), Tone.WARN),
        "dead": Label(_("mail", "Given up"), Tone.BAD),
    },
    "offer": {
        "on_shelf": Label(_("offer", "On the shelf"), Tone.GOOD),
        "unpriced": Label(_("offer", "No price: cannot be bought"), Tone.WARN),
        "withdrawn": Label(_("offer", "Withdrawn"), Tone.NEUTRAL),
    },
    "price": {
        "in_force": Label(_("price", "In force"), Tone.GOOD),
        "to_come": Label(_("price", "To come"), Tone.BUSY),
    },
    "invitation": {
        "open": Label(_("invitation", "Open"), Tone.BUSY),
        "expired": Label(_("invitation", "Expired"), Tone.WARN),
    },
    "evidence": {
        "given": Label(_("evidence", "Given"), Tone.NEUTRAL),
        "verified": Label(_("evidence", "Verified"), Tone.GOOD),
        "expired": Label(_("evidence", "Expired"), Tone.BAD),
        "withdrawn": Label(_("evidence", "Withdrawn"), Tone.NEUTRAL),
    },
    "organisation": {
        "applied": Label(_("organisation", "Waiting for admission"), Tone.BUSY),
        "admitted": Label(_("organisation", "Admitted"), Tone.GOOD),
        "suspended": Label(_("organisation", "Suspended"), Tone.BAD),
    },
    "factor loss": {
        "waiting": Label(_("factor loss", "Waits for a decision"), Tone.BUSY),
        "granted": Label(_("factor loss", "Granted, time runs"), Tone.WARN),
        "refused": Label(_("factor loss", "Refused"), Tone.BAD),
        "stopped": Label(_("factor loss", "Stopped by the person"), Tone.BAD),
        "done": Label(_("factor loss", "Removed"), Tone.NEUTRAL),
    },
}
"""By room's noun and stable code. Rooms add theirs here."""


def find_label(*, noun: str, code: str) -> Label:
    """Return the label of a code; of one that is not known, the code itself, so that nothing is hidden."""
    return LABELS.get(noun, {}).get(code) or Label(code, Tone.NEUTRAL)
