"""How accounts are called in a Beancount file: as the hub sees all of them, and as one organisation sees its own.

To the hub, what it owes is a liability, its fee an income, the world outside an asset. To an organisation its accounts,
vouchers among them, are assets; of others it sees the kind alone.
"""

from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.protocol.audit_pack import end_account_name

_HUB_ROOTS = {
    AccountKind.OUTSIDE: "Assets",
    AccountKind.HUB_FEE: "Income",
    AccountKind.MEMBER_DEBT: "Assets",
    AccountKind.SERVICE_RESERVE: "Equity",
}
_OTHERS = {
    AccountKind.OUTSIDE: "Equity:Outside",
    AccountKind.PROGRAMME_FUND: "Income:Programmes",
    AccountKind.SERVICE_RESERVE: "Income:ServiceReserve",
    AccountKind.ORDER_ESCROW: "Income:Orders",
    AccountKind.CHALLENGE_ESCROW: "Income:Challenges",
    AccountKind.RECEIVABLE: "Income:Programmes",
    AccountKind.PROVIDER_ACCRUING: "Expenses:Providers",
    AccountKind.PROVIDER_AVAILABLE: "Expenses:Providers",
    AccountKind.HUB_FEE: "Expenses:HubFee",
}


def name_for_hub(*, account_id: str, kind: AccountKind) -> str:
    """Return the name of any account in the hub's books.

    >>> name_for_hub(account_id="acc_1", kind=AccountKind.HUB_FEE)
    'Income:HubFee:Acc-1'
    """
    return f"{_HUB_ROOTS.get(kind, 'Liabilities')}:{end_account_name(account_id=account_id, kind=kind)}"


def name_own(*, account_id: str, kind: AccountKind) -> str:
    """Return the name of an organisation's account in its own books.

    >>> name_own(account_id="acc_1", kind=AccountKind.VOUCHER)
    'Assets:Voucher:Acc-1'
    """
    root = "Liabilities" if kind is AccountKind.MEMBER_DEBT else "Assets"
    return f"{root}:{end_account_name(account_id=account_id, kind=kind)}"


def name_other(*, kind: AccountKind) -> str:
    """Return the name under which an organisation's books have all accounts of others of this kind."""
    return _OTHERS.get(kind, "Expenses:Others")
