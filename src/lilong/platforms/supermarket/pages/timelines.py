"""An order's timeline as people read it: what happened with the money beside it, then what is still to come."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from lilong.platforms.supermarket.core.states import OrderState, OrderStep
from lilong.platforms.supermarket.pages.words import MONEY, STEPS
from lilong.platforms.supermarket.queries.orders import TimelineView
from lilong.platforms.supermarket.queries.sheets import OrderSheet
from lilong.protocol.messages import Reason

STEPS_WITH_REASON = frozenset({OrderStep.END.value, "cancel"})
STEPS_WITH_WORDS = frozenset(
    {
        OrderStep.REFUSE.value,
        OrderStep.DENY.value,
        OrderStep.DISPUTE.value,
        OrderStep.CLOSE_DISPUTE.value,
        "approve",
        "correct",
        "correct_refused",
    }
)

_TO_COME = {
    OrderState.DRAFT: (OrderStep.SIGN_QUOTE, OrderStep.HOLD, OrderStep.SUBMIT, OrderStep.START, OrderStep.SETTLE),
    OrderState.QUOTED: (OrderStep.HOLD, OrderStep.SUBMIT, OrderStep.START, OrderStep.SETTLE),
    OrderState.AWAITING: (OrderStep.HOLD, OrderStep.SUBMIT, OrderStep.START, OrderStep.SETTLE),
    OrderState.HELD: (OrderStep.SUBMIT, OrderStep.START, OrderStep.SETTLE),
    OrderState.PLACED: (OrderStep.START, OrderStep.SETTLE),
    OrderState.ACTIVE: (OrderStep.SETTLE,),
    OrderState.SETTLING: (OrderStep.SETTLE,),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line. reason: a code that has a sentence; words: of a person or the hub, as they were written.

    at: None for what is still to come.
    """

    step: str
    label: str
    money: str
    amount_uc: int | None
    reason: Reason | None
    words: str
    at: datetime | None


def build_timeline(sheet: OrderSheet) -> list[Line]:
    """Return the lines of an order's sheet, in their order."""
    lines = [*map(_read_line, sheet.timeline), *_list_to_come(sheet)]
    if sheet.so_far_uc is None:
        return lines
    return [
        replace(line, money=str(MONEY["so_far"]), amount_uc=sheet.so_far_uc) if line.step == OrderStep.START else line
        for line in lines
    ]


def _read_line(row: TimelineView) -> Line:
    return Line(
        step=row.step,
        label=str(STEPS.get(row.step, row.step)),
        money=str(MONEY.get(row.money, row.money)) if row.amount_uc is not None else "",
        amount_uc=row.amount_uc,
        reason=Reason(row.detail) if row.step in STEPS_WITH_REASON and row.detail in set(Reason) else None,
        words=row.detail if row.step in STEPS_WITH_WORDS else "",
        at=row.at,
    )


def _list_to_come(sheet: OrderSheet) -> Iterator[Line]:
    for step in _TO_COME.get(sheet.order.state, ()):
        holds = step is OrderStep.HOLD and sheet.promise is not None
        yield Line(
            step=step.value,
            label=str(STEPS[step.value]),
            money=str(MONEY["held"]) if holds else "",
            amount_uc=sheet.promise.max_uc if holds and sheet.promise else None,
            reason=None,
            words="",
            at=None,
        )
