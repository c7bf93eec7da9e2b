"""What an organisation was charged, from what moved on the accounts it pays from: one charge a line, each traceable.

Of an order, every attempt is a charge of its full price and every voucher a credit against it, so that what is left is
what wallet and budgets paid. Whatever else money of theirs went for is an adjustment. Top-ups, grants and what moves
between accounts of the same kinds are payments and no charges.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from lilong.common.errors import InvariantBroken
from lilong.common.sentences import say
from lilong.platforms.supermarket.core.postings import SERVICE_CREDIT
from lilong.platforms.supermarket.core.pricing import ChargeLine

SETTLE = "settle"


class Category(StrEnum):
    """What kind of charge it is, in the words of FOCUS."""

    USAGE = "Usage"
    CREDIT = "Credit"
    ADJUSTMENT = "Adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money that entered (above zero) or left one account that the organisation pays from; in one group with others.

    voucher_id: whose account it is, empty for wallet and budgets; corrects: the transfer that it puts right.
    """

    transfer_id: str
    group_id: str
    code: str
    subject: str
    voucher_id: str
    change_uc: int
    effective_at: datetime
    corrects: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedOrder:
    """A settled order. lines: what each attempt cost by the usage that was settled."""

    id: str
    run_id: str
    name: str
    placed_at: datetime
    settled_at: datetime
    lines: tuple[ChargeLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of what was charged; below zero it was given.

    line: of usage, the attempt; transfer_ids: the movements that it stands for, all of group_id;
    corrects: transfers of earlier charges that it puts right.
    """

    category: Category
    amount_uc: int
    code: str
    effective_at: datetime
    group_id: str
    transfer_ids: tuple[str, ...]
    corrects: tuple[str, ...] = ()
    voucher_id: str = ""
    order: ChargedOrder | None = None
    line: ChargeLine | None = None


def list_charges(*, movements: Sequence[Movement], orders: Mapping[str, ChargedOrder]) -> tuple[Charge, ...]:
    """Return the charges in the order of moment and group; their sum is what left wallet and budgets.

    orders: every settled one that a movement is about. Raises InvariantBroken where attempts and books disagree.
    """
    ordered = sorted(movements, key=lambda each: (each.effective_at, each.group_id, each.transfer_id))
    return tuple(
        charge
        for _, group in groupby(ordered, key=lambda each: (each.effective_at, each.group_id, each.subject))
        for charge in _charge_group(tuple(group), orders=orders)
    )


def _charge_group(group: Sequence[Movement], *, orders: Mapping[str, ChargedOrder]) -> Iterator[Charge]:
    order = orders.get(group[0].subject)
    if order is not None and all(each.code == SETTLE for each in group):
        yield from _charge_attempts(group, order)
    else:
        yield from _adjust(group, order)
    for each in group:
        if each.voucher_id:
            yield _build(Category.CREDIT, each.change_uc, (each,), order, voucher_id=each.voucher_id)


def _charge_attempts(group: Sequence[Movement], order: ChargedOrder) -> Iterator[Charge]:
    """Charge each attempt that was paid for; all payers together paid for all of them."""
    paid_uc = -sum(each.change_uc for each in group)
    if paid_uc != sum(line.due_uc for line in order.lines):
        raise InvariantBroken(
            detail=say(
                "The attempts of {order_id} do not add up to the {paid_uc} uc that were paid.",
                order_id=order.id,
                paid_uc=paid_uc,
            )
        )
    for line in order.lines:
        if line.due_uc or line.usage.billable_ms:
            yield _build(Category.USAGE, line.due_uc, group, order, line=line)


def _adjust(group: Sequence[Movement], order: ChargedOrder | None) -> Iterator[Charge]:
    """Charge the whole of a group that is no settlement: a correction, a credit for lost time, anything new."""
    amount_uc = -sum(each.change_uc for each in group)
    category = Category.CREDIT if group[0].code == SERVICE_CREDIT else Category.ADJUSTMENT
    if amount_uc:
        yield _build(category, amount_uc, group, order)


def _build(
    category: Category,
    amount_uc: int,
    group: Sequence[Movement],
    order: ChargedOrder | None,
    *,
    line: ChargeLine | None = None,
    voucher_id: str = "",
) -> Charge:
    first = group[0]
    return Charge(
        category=category,
        amount_uc=amount_uc,
        code=first.code,
        effective_at=first.effective_at,
        group_id=first.group_id,
        transfer_ids=tuple(each.transfer_id for each in group),
        corrects=tuple(each.corrects for each in group if each.corrects),
        voucher_id=voucher_id,
        order=order,
        line=line,
    )
