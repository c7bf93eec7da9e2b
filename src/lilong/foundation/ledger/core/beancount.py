"""Books as a Beancount ledger (beancount.github.io, language syntax) that passes bean-check.

Credits with six decimals are the commodity; holds move nothing and are left out. Balance assertions at both ends
repeat what the ledger says. `names.py` beside this says how accounts are called: for the hub, for one organisation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lilong.common.money import UC_PER_CREDIT

COMMODITY = "CREDIT"
OPENING = "Equity:OpeningBalances"


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account: its name, the day it was opened, and in the file's signs what it holds at the beginning and the end.

    closing_uc: None where nothing shall be asserted, as of what other people's accounts hold.
    """

    name: str
    opened_on: date
    opening_uc: int
    closing_uc: int | None


@dataclass(frozen=True, slots=True)
class TransferLine:
    """Money that moved: `to_name` is written with a plus, `from_name` with a minus; group_id links what was linked."""

    id: str
    group_id: str
    on: date
    to_name: str
    from_name: str
    amount_uc: int
    code: str
    subject: str


def render_beancount(
    *,
    title: str,
    accounts: Sequence[AccountLine],
    transfers: Iterable[TransferLine],
    begins_on: date | None,
    ends_on: date,
) -> Iterator[str]:
    r"""Yield the lines of the ledger, each with its end.

    begins_on: the day on whose beginning the file begins, with what was there before as one entry; None: with nothing.
    ends_on: the day on whose beginning each account is asserted to hold its sum; after that of the last transfer.

    >>> fee = AccountLine("Income:HubFee:Acc-1", date(2026, 3, 1), opening_uc=0, closing_uc=-5)
    >>> lines = render_beancount(
    ...     title="Hub", accounts=[fee], transfers=[], begins_on=None, ends_on=date(2026, 3, 2)
    ... )
    >>> list(lines)[-1]
    '2026-03-02 balance Income:HubFee:Acc-1 -0.000005 CREDIT\n'
    """
    before = begins_on - timedelta(days=1) if begins_on else None
    opened = {account.name: before or account.opened_on for account in accounts}
    rest_uc = -sum(account.opening_uc for account in accounts)
    if before and rest_uc:
        opened[OPENING] = before
    yield f'option "title" "{_escape(title)}"\n'
    yield f'option "operating_currency" "{COMMODITY}"\n\n'
    yield f"{min(opened.values(), default=ends_on)} commodity {COMMODITY}\n\n"
    for name, day in opened.items():
        yield f"{day} open {name} {COMMODITY}\n"
    if begins_on and before:
        yield from _open_with(accounts, rest_uc=rest_uc, before=before, begins_on=begins_on)
    for transfer in transfers:
        yield f'\n{transfer.on} * "{_escape(transfer.code)}" "{_escape(transfer.subject)}"\n'
        yield f'  id: "{_escape(transfer.id)}"\n  group: "{_escape(transfer.group_id)}"\n'
        yield f"  {transfer.to_name}  {_amount(transfer.amount_uc)}\n"
        yield f"  {transfer.from_name}  {_amount(-transfer.amount_uc)}\n"
    yield "\n"
    for account in accounts:
        if account.closing_uc is not None:
            yield f"{ends_on} balance {account.name} {_amount(account.closing_uc)}\n"


def _open_with(accounts: Sequence[AccountLine], *, rest_uc: int, before: date, begins_on: date) -> Iterator[str]:
    """Enter what was there before the period, and assert it; what does not add up to nothing stands against equity."""
    holding = [(account.name, account.opening_uc) for account in accounts if account.opening_uc]
    if holding:
        yield f'\n{before} * "opening" ""\n'
        for name, amount_uc in (*holding, (OPENING, rest_uc)):
            if amount_uc:
                yield f"  {name}  {_amount(amount_uc)}\n"
    yield "\n"
    for account in accounts:
        if account.closing_uc is not None:
            yield f"{begins_on} balance {account.name} {_amount(account.opening_uc)}\n"


def _amount(amount_uc: int) -> str:
    sign = "-" if amount_uc < 0 else ""
    whole, rest = divmod(abs(amount_uc), UC_PER_CREDIT)
    return f"{sign}{whole}.{rest:06d} {COMMODITY}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
