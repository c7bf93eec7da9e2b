"""Small books for tests: accounts with money in them, and groups of transfers in one line."""

from datetime import UTC, datetime
from itertools import count

from lilong.foundation.ledger.public import (
    AccountKind,
    LinkGroup,
    Transfer,
    TransferKind,
    get_balances,
    open_account,
    post_many,
    require_posted,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
numbers = count()


def open_funded(*, kind: AccountKind = AccountKind.WALLET, amount_uc: int = 0, restriction: str = "") -> str:
    """Open an account of a new owner and pay `amount_uc` into it from outside."""
    account = open_account(kind=kind, owner_id=f"org_{next(numbers)}", purpose="", restriction=restriction, now=NOW)
    if amount_uc:
        outside = open_account(kind=AccountKind.OUTSIDE, owner_id="hub", purpose="", now=NOW)
        require_posted(results=post_many(groups=[link(post(outside, account, amount_uc))], now=NOW))
    return account


def post(debit: str, credit: str, amount_uc: int, *, transfer_id: str = "", code: str = "pay") -> Transfer:
    """Return a plain transfer."""
    return build(TransferKind.POST, debit, credit, amount_uc, transfer_id=transfer_id, code=code)


def pend(debit: str, credit: str, amount_uc: int, *, transfer_id: str = "") -> Transfer:
    """Return a hold."""
    return build(TransferKind.PEND, debit, credit, amount_uc, transfer_id=transfer_id, code="hold")


def settle(hold: Transfer, amount_uc: int, *, transfer_id: str = "") -> Transfer:
    """Return the settlement of a hold."""
    return build(
        *(TransferKind.SETTLE, hold.debit_account, hold.credit_account, amount_uc),
        transfer_id=transfer_id,
        code="settle",
        pending_id=hold.id,
    )


def void(hold: Transfer, *, transfer_id: str = "") -> Transfer:
    """Return the release of a hold."""
    return build(
        *(TransferKind.VOID, hold.debit_account, hold.credit_account, 0),
        transfer_id=transfer_id,
        code="void",
        pending_id=hold.id,
    )


def build(
    kind: TransferKind,
    debit: str,
    credit: str,
    amount_uc: int,
    *,
    transfer_id: str,
    code: str,
    pending_id: str | None = None,
    effective_at: datetime = NOW,
    corrects: str | None = None,
) -> Transfer:
    """Return a transfer with an id of its own unless one is given."""
    return Transfer(
        id=transfer_id or f"tra_{next(numbers)}",
        kind=kind,
        debit_account=debit,
        credit_account=credit,
        amount_uc=amount_uc,
        code=code,
        subject="ord_1",
        effective_at=effective_at,
        pending_id=pending_id,
        corrects=corrects,
    )


def link(*transfers: Transfer, group_id: str = "") -> LinkGroup:
    """Return a group of its own."""
    return LinkGroup(id=group_id or f"grp_{next(numbers)}", transfers=transfers)


def available_uc(account: str) -> int:
    """Return what the account can spend."""
    return get_balances(account_ids=[account])[account].available_uc
