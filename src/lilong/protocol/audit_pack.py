"""The files of an audit pack: their names, columns and manifest, for who writes one and for who checks it.

docs/reference/audit-pack.md says what they mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lilong.common.canonical import Json
from lilong.protocol.exports import TRANSFER_COLUMNS, render_json

FORM = "lilong.audit_pack.1"
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "signature.json"
START_FILE = "ledger/trial-balance-start.csv"
END_FILE = "ledger/trial-balance-end.csv"
JOURNAL_FILE = "ledger/journal.beancount"
MOVES_FILE = "ledger/transfers.csv"
PAY_OUTS_FILE = "pay-outs.csv"
HEADS_NAME, ENTRIES_NAME, REPORT_NAME = "heads.json", "entries.jsonl", "report.json"
RECORD, PROGRAMMES, INVOICES = "record", "programmes", "invoices"

TRIAL_COLUMNS = ("kind", "accounts", "posted_uc", "pending_out_uc", "pending_in_uc")
MOVES_COLUMNS = (*TRANSFER_COLUMNS, "held_uc", "corrects")
PAY_OUT_COLUMNS = ("id", "organisation_id", "amount_uc", "state", "bank_reference", "case_id", "approvers", "closed_at")

DECISION_KIND, RULE_KIND, INVOICE_KIND, PAY_OUT_KIND = (
    "cases.decision",
    "funding.programme_rules",
    "supermarket.invoice",
    "ledger.pay_out",
)
PERIOD_KINDS = (
    DECISION_KIND,
    RULE_KIND,
    PAY_OUT_KIND,
    "funding.claw_back",
    "funding.voucher_decision",
    "funding.voucher_issued",
    "ledger.top_up",
    "record.key_rotated",
)
"""Kinds of the record's entries of which a pack has all that were made in its period."""

MOVING_KINDS = frozenset({"post", "settle"})


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of a pack. about: what it is, in a few English words."""

    path: str
    about: str
    size_bytes: int
    sha256: str

    @property
    def fields(self) -> dict[str, Json]:
        """Return its row of the manifest."""
        return {"about": self.about, "path": self.path, "sha256": self.sha256, "size_bytes": self.size_bytes}


def render_manifest(*, hub: str, begins_on: str, ends_on: str, files: Sequence[PackedFile]) -> bytes:
    """Return the manifest, which lists every file but itself and its signature, by path."""
    rows = [file.fields for file in sorted(files, key=lambda each: each.path)]
    return render_json({"begins_on": begins_on, "ends_on": ends_on, "files": rows, "form": FORM, "hub": hub})


def end_account_name(*, account_id: str, kind: str) -> str:
    """Return how the name of an account ends in a journal: kind and id in the letters that Beancount takes.

    >>> end_account_name(account_id="acc_1", kind="hub_fee")
    'HubFee:Acc-1'
    """
    return f"{name_kind(kind=kind)}:{account_id.replace('_', '-').capitalize()}"


def name_kind(*, kind: str) -> str:
    """Return a kind of account in the letters that Beancount takes."""
    return "".join(word.capitalize() for word in kind.split("_"))


def read_figures(row: Mapping[str, str], *columns: str) -> tuple[int, ...]:
    """Return some columns of a row of CSV as integers; raises KeyError, ValueError."""
    return tuple(int(row[column]) for column in columns)
