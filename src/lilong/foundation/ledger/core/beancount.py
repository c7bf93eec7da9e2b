"""The books as a Beancount ledger (beancount.github.io, language syntax) that passes bean-check.

Credits with six decimals are the commodity. What the hub owes is a liability, its fee an income, the world outside an
asset; holds move nothing and are left out. Balance assertions at the end repeat what the ledger says it holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from lilong.common.money import UC_PER_CREDIT
from lilong.foundation.ledger.core.accounts import AccountKind

COMMODITY = "CREDIT"
_ROOTS = {
    AccountKind.OUTSIDE: "Assets",
    AccountKind.HUB_FEE: "Income",
    AccountKind.SERVICE_RESERVE: "Equity",
}


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account: opened on a day, and what it holds at the end of the export."""

    id: str
    kind: AccountKind
    opened_on: date
    posted_uc: int


@dataclass(frozen=True, slots=True)
class TransferLine:
    """Money that moved; group_id links what happened together."""

    id: str
    group_id: str
    on: date
    debit_account: str
    credit_account: str
    amount_uc: int
    code: str
    subject: str


def render_beancount(
    *, title: str, accounts: Sequence[AccountLine], transfers: Iterable[TransferLine], until: date
) -> Iterator[str]:
    r"""Yield the lines of the ledger, each with its end.

    until: the day on whose beginning each account is asserted to hold its sum; after that of the last transfer.

    >>> from datetime import date
    >>> fee = AccountLine("acc_1", AccountKind.HUB_FEE, date(2026, 3, 1), 5)
    >>> list(render_beancount(title="Hub", accounts=[fee], transfers=[], until=date(2026, 3, 2)))[-1]
    '2026-03-02 balance Income:HubFee:Acc-1 -0.000005 CREDIT\n'
    """
    names = {account.id: _name(account) for account in accounts}
    yield f'option "title" "{_escape(title)}"\n'
    yield f'option "operating_currency" "{COMMODITY}"\n\n'
    for account in accounts:
        yield f"{account.opened_on} open {names[account.id]} {COMMODITY}\n"
    for transfer in transfers:
        yield f'\n{transfer.on} * "{_escape(transfer.code)}" "{_escape(transfer.subject)}"\n'
        yield f'  id: "{_escape(transfer.id)}"\n  group: "{_escape(transfer.group_id)}"\n'
        yield f"  {names[transfer.debit_account]}  {_amount(transfer.amount_uc)}\n"
        yield f"  {names[transfer.credit_account]}  {_amount(-transfer.amount_uc)}\n"
    yield "\n"
    for account in accounts:
        yield f"{until} balance {names[account.id]} {_amount(-account.posted_uc)}\n"


def _name(account: AccountLine) -> str:
    """Return an account's name: a root, its kind and its id, in the letters that Beancount takes."""
    kind = "".join(word.capitalize() for word in account.kind.split("_"))
    return f"{_ROOTS.get(account.kind, 'Liabilities')}:{kind}:{account.id.replace('_', '-').capitalize()}"


def _amount(amount_uc: int) -> str:
    sign = "-" if amount_uc < 0 else ""
    whole, rest = divmod(abs(amount_uc), UC_PER_CREDIT)
    return f"{sign}{whole}.{rest:06d} {COMMODITY}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
