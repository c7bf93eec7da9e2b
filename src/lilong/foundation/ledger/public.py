"""The door of the ledger."""

from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.transfers import GroupResult, LinkGroup, Refusal, Transfer, TransferKind
from lilong.foundation.ledger.queries import Balance, get_balances
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
    "get_balances",
    "open_account",
    "post_many",
    "require_posted",
]
