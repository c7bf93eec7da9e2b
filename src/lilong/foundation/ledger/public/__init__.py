"""The door of the ledger."""

from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.holds import find_step_ms, roll_hold
from lilong.foundation.ledger.core.transfers import GroupResult, LinkGroup, Refusal, Transfer, TransferKind
from lilong.foundation.ledger.queries.accounts import Balance, get_balances
from lilong.foundation.ledger.queries.statements import find_balance
from lilong.foundation.ledger.queries.transfers import TransferView, export_csv, list_open_holds, list_transfers
from lilong.foundation.ledger.services.accounts import open_account
from lilong.foundation.ledger.services.posting import GroupRefused, ShortOfFunds, post_many, require_posted

__all__ = [
    "AccountKind",
    "Balance",
    "GroupRefused",
    "GroupResult",
    "LinkGroup",
    "Refusal",
    "ShortOfFunds",
    "Transfer",
    "TransferKind",
    "TransferView",
    "export_csv",
    "find_balance",
    "find_step_ms",
    "get_balances",
    "list_open_holds",
    "list_transfers",
    "open_account",
    "post_many",
    "require_posted",
    "roll_hold",
]
