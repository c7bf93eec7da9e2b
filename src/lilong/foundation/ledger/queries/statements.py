"""Statements: what moved on one account in one month, with what could be spent after each movement."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from lilong.common.paging import Page, encode_cursor
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.posting import Change
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.accounts import (
    AccountMissing,
    AccountView,
    Balance,
    get_balances,
    sum_until,
    view_accounts,
)
from lilong.foundation.ledger.queries.transfers import TransferView, latest_transfers, read_position, view_transfers

STATEMENT_KINDS = (
    AccountKind.WALLET,
    AccountKind.PROJECT_BUDGET,
    AccountKind.VOUCHER,
    AccountKind.PROVIDER_AVAILABLE,
    AccountKind.PROVIDER_ACCRUING,
    AccountKind.MEMBER_DEBT,
)
"""What an organisation reads statements of, in this order; escrows of its orders are left out."""

ACCOUNTS_MAX = 100
LINES_A_PART = 1000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One transfer as the account sees it: what it changes of what can be spent, and what that is afterwards."""

    transfer: TransferView
    change_uc: int
    available_uc: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of one account, latest first; accounts: all that have statements. account: None without any."""

    accounts: tuple[AccountView, ...]
    account: AccountView | None
    begin: datetime
    end: datetime
    page: Page[StatementLine]


def get_statement(
    *, actor: Actor, account_id: str, begin: datetime, end: datetime, cursor: str | None, limit: int, now: datetime
) -> Statement:
    """Return a page of what counts for `begin` <= moment < `end` on an account of the actor's own organisation.

    account_id: empty for the first that holds something, else the wallet. Eight queries at most.
    Raises AccountMissing, CursorInvalid.
    """
    accounts = _list_accounts(actor)
    account = _choose(accounts, account_id)
    page: Page[StatementLine] = Page(items=[], next_cursor=None)
    if account is not None:
        page = _read_page(account, begin=begin, end=end, cursor=cursor, limit=limit, now=now)
    return Statement(accounts=accounts, account=account, begin=begin, end=end, page=page)


def stream_statement(
    *, actor: Actor, account_id: str, begin: datetime, end: datetime, now: datetime
) -> Iterator[StatementLine]:
    """Return all lines of a statement, latest first, read in parts while they are taken: memory is one part.

    Raises AccountMissing at once; without any account there are no lines.
    """
    account = _choose(_list_accounts(actor), account_id)
    return iter(()) if account is None else _read_parts(account, begin=begin, end=end, now=now)


def find_balance(*, kind: AccountKind, owner_id: str) -> Balance | None:
    """Return what the owner's account of this kind without a purpose holds; None where none was opened. One query.

    kind: one with a floor, whose sums stand with the account.
    """
    account = Account.objects.filter(kind=kind, owner_id=owner_id, purpose="").first()
    if account is None:
        return None
    if account.floor_uc is None:
        raise ValueError(f"Sums of {kind} do not stand with the account: use get_balances.")
    return Balance(
        posted_uc=account.posted_uc, pending_out_uc=account.pending_out_uc, pending_in_uc=account.pending_in_uc
    )


def _choose(accounts: Sequence[AccountView], account_id: str) -> AccountView | None:
    """Return the account asked for, else the first that holds something, else the first."""
    if not account_id:
        holding = (each for each in accounts if each.balance.posted_uc or each.balance.pending_in_uc)
        return next(holding, next(iter(accounts), None))
    account = next((each for each in accounts if each.id == account_id), None)
    if account is None:
        raise AccountMissing(
            detail=say("There is no account {account_id} with statements that you can see.", account_id=account_id[:64])
        )
    return account


def _read_parts(account: AccountView, *, begin: datetime, end: datetime, now: datetime) -> Iterator[StatementLine]:
    cursor: str | None = None
    while True:
        page = _read_page(account, begin=begin, end=end, cursor=cursor, limit=LINES_A_PART, now=now)
        yield from page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _list_accounts(actor: Actor) -> tuple[AccountView, ...]:
    if not actor.organisation_id:
        return ()
    rows = list(Account.objects.filter(owner_id=actor.organisation_id, kind__in=STATEMENT_KINDS)[:ACCOUNTS_MAX])
    rows.sort(key=lambda row: (STATEMENT_KINDS.index(AccountKind(row.kind)), row.opened_at, row.id))
    return tuple(
        view_accounts(accounts=rows, balances=get_balances(account_ids=[row.id for row in rows]) if rows else {})
    )


def _read_page(
    account: AccountView, *, begin: datetime, end: datetime, cursor: str | None, limit: int, now: datetime
) -> Page[StatementLine]:
    within = Q(effective_at__gte=begin, effective_at__lt=end)
    earlier = read_position(cursor=cursor) if cursor else Q()
    rows = latest_transfers(account_id=account.id, where=within & earlier, count=limit + 1)
    shown = rows[:limit]
    if not shown:
        return Page(items=[], next_cursor=None)
    lines = list(_walk_back(account.id, view_transfers(rows=shown), after_uc=_find_after(account, rows[0], now=now)))
    last = shown[-1]
    more = encode_cursor(f"{format_moment(last.effective_at)} {last.id}") if len(rows) > limit else None
    return Page(items=lines, next_cursor=more)


def _find_after(account: AccountView, newest: Transfer, *, now: datetime) -> int:
    """Return what could be spent right after the newest transfer of a page: less what came in the same moment."""
    at = newest.effective_at
    sums = sum_until(account_ids=[account.id], at=min(at, now)).get(account.id, Change())
    mine = Q(debit_account=account.id) | Q(credit_account=account.id)
    tied = Transfer.objects.filter(mine, effective_at=at, pk__gt=newest.pk)
    later = view_transfers(rows=tied.select_related("debit_account", "credit_account"))
    return sums.available_uc - sum(_measure(account.id, transfer) for transfer in later)


def _walk_back(account_id: str, transfers: Sequence[TransferView], *, after_uc: int) -> Iterator[StatementLine]:
    for transfer in transfers:
        change_uc = _measure(account_id, transfer)
        yield StatementLine(transfer=transfer, change_uc=change_uc, available_uc=after_uc)
        after_uc -= change_uc


def _measure(account_id: str, transfer: TransferView) -> int:
    """Return what a transfer changes of what can be spent: a hold takes at once, its end gives back the rest."""
    moves = transfer.kind is not TransferKind.PEND
    if transfer.credit_account == account_id:
        return transfer.amount_uc if moves else 0
    return (transfer.held_uc or 0) - transfer.amount_uc
