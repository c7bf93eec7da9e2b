"""Accounts and what they hold, now or at any past moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lilong.common.django.paging import page_oldest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.posting import Change
from lilong.foundation.ledger.models import Account, ClosingBalance, Period
from lilong.foundation.ledger.sql import read_sums, read_sums_before, sum_by_kind, sum_transfers

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds: posted, of which `pending_out_uc` is held; `pending_in_uc` may still come."""

    posted_uc: int
    pending_out_uc: int
    pending_in_uc: int

    @property
    def available_uc(self) -> int:
        """What can be spent: posted less pending out."""
        return self.posted_uc - self.pending_out_uc


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account with its balance."""

    id: str
    kind: AccountKind
    owner_id: str
    purpose: str
    restriction: str
    balance: Balance


@dataclass(frozen=True, slots=True)
class TrialLine:
    """All accounts of one kind together."""

    kind: AccountKind
    accounts: int
    balance: Balance


class AccountMissing(NotFound):
    """One of the accounts asked for was never opened."""

    code = "ledger.account_missing"
    title = "There is no such account"


def get_balances(*, account_ids: Sequence[str], at: datetime | None = None) -> dict[str, Balance]:
    """Return the balances by account: now, or from all that counts for moments up to and including `at`.

    What counts for a closed period never changes; in an open one, a transfer may still be entered for a past moment.
    Two to four queries. Cost of a past moment: see `sum_until`. Raises AccountMissing.
    """
    now = read_sums(account_ids=account_ids)
    missing = [account_id for account_id in account_ids if account_id not in now]
    if missing:
        raise AccountMissing(detail=say("There is no account {account_id}.", account_id=missing[0][:64]))
    sums = now if at is None else sum_until(account_ids=account_ids, at=at)
    return {account_id: _balance(sums.get(account_id, Change())) for account_id in account_ids}


def get_account(*, actor: Actor, account_id: str, at: datetime | None = None) -> AccountView:
    """Return an account that the actor may see, with its balance now or at a moment; raises AccountMissing."""
    account = Account.objects.visible_to(actor).filter(pk=account_id).first()
    if account is None:
        raise AccountMissing(
            detail=say("There is no account {account_id} that you can see.", account_id=account_id[:64])
        )
    return view_accounts(accounts=[account], balances=get_balances(account_ids=[account_id], at=at))[0]


def list_accounts(
    *, actor: Actor, cursor: str | None, limit: int, kind: AccountKind | None = None, owner_id: str = ""
) -> Page[AccountView]:
    """Return one page of the accounts that the actor may see, oldest first: all, or of a kind or owner. Two queries."""
    accounts = Account.objects.visible_to(actor)
    if kind is not None:
        accounts = accounts.filter(kind=kind)
    if owner_id:
        accounts = accounts.filter(owner_id=owner_id)
    page = page_oldest_first(accounts, cursor=cursor, limit=limit)
    balances = get_balances(account_ids=[account.id for account in page.items])
    return Page(items=view_accounts(accounts=page.items, balances=balances), next_cursor=page.next_cursor)


def get_trial_balance(*, actor: Actor) -> list[TrialLine]:
    """Return what all accounts of each kind hold together; for the operator. Posted sums add up to zero. One query."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return sum_kinds()


def sum_kinds() -> list[TrialLine]:
    """Return what all accounts of each kind hold together. One query. Cost: linear in accounts."""
    sums = sum_by_kind()
    return [
        TrialLine(kind=kind, accounts=sums[kind][0], balance=_balance(sums[kind][1]))
        for kind in AccountKind
        if kind in sums
    ]


def view_accounts(*, accounts: Sequence[Account], balances: Mapping[str, Balance]) -> list[AccountView]:
    """Return rows as others see them, with the balances given by account."""
    return [
        AccountView(
            id=account.id,
            kind=AccountKind(account.kind),
            owner_id=account.owner_id,
            purpose=account.purpose,
            restriction=account.restriction,
            balance=balances[account.id],
        )
        for account in accounts
    ]


def sum_until(*, account_ids: Sequence[str], at: datetime) -> dict[str, Change]:
    """Return the sums at a moment; accounts without a transfer until then may be left out. Two or three queries.

    Cost: in the open period, linear in the accounts' transfers since that moment; in a closed one, in those since the
    period before it ended.
    """
    end = at + SHORTEST
    periods = list(Period.objects.order_by("ends_at"))
    if not periods or periods[-1].ends_at <= at:
        return read_sums_before(account_ids=account_ids, end=end)
    period = next((period for period in reversed(periods) if period.ends_at <= end), None)
    sums = sum_transfers(account_ids=account_ids, begin=period.ends_at if period else BEGINNING, end=end)
    if period:
        for closing in ClosingBalance.objects.filter(period=period, account__in=account_ids):
            sums.setdefault(closing.account_id, Change()).add(closing_change(closing=closing))
    return sums


def closing_change(*, closing: ClosingBalance) -> Change:
    """Return the sums of a closing balance."""
    return Change(
        posted_uc=closing.posted_uc, pending_out_uc=closing.pending_out_uc, pending_in_uc=closing.pending_in_uc
    )


def _balance(change: Change) -> Balance:
    return Balance(posted_uc=change.posted_uc, pending_out_uc=change.pending_out_uc, pending_in_uc=change.pending_in_uc)
