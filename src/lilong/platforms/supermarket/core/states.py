"""The states of an order and the one table of what may follow what."""

from enum import StrEnum
from types import MappingProxyType

from lilong.common.errors import Conflict
from lilong.common.sentences import say


class OrderState(StrEnum):
    """Where an order stands. Nothing is held before HELD; nothing is charged before SETTLED.

    AWAITING: its quote was taken, and somebody else has to approve it; nothing is reserved once the quote has expired.
    APPROVED: somebody did, after that; until the approval ends, its job may be quoted and ordered anew.
    """

    DRAFT = "draft"
    QUOTED = "quoted"
    AWAITING = "awaiting"
    APPROVED = "approved"
    HELD = "held"
    PLACED = "placed"
    ACTIVE = "active"
    SETTLING = "settling"
    SETTLED = "settled"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class OrderStep(StrEnum):
    """What happens to an order."""

    SIGN_QUOTE = "sign_quote"
    REFUSE = "refuse"
    LAPSE = "lapse"
    HAND_BACK = "hand_back"
    ASK_APPROVAL = "ask_approval"
    ASK_REVIEW = "ask_review"
    APPROVE = "approve"
    DENY = "deny"
    HOLD = "hold"
    SUBMIT = "submit"
    START = "start"
    END = "end"
    SETTLE = "settle"
    DISPUTE = "dispute"
    CLOSE_DISPUTE = "close_dispute"


class StepImpossible(Conflict):
    """The order is in a state in which this cannot happen to it."""

    code = "order.step_impossible"
    title = "This order cannot do that now"
    next_step = "Read the order's timeline; it shows the state that it is in."


TRANSITIONS = MappingProxyType(
    {
        (OrderState.DRAFT, OrderStep.SIGN_QUOTE): OrderState.QUOTED,
        (OrderState.DRAFT, OrderStep.REFUSE): OrderState.REFUSED,
        (OrderState.DRAFT, OrderStep.LAPSE): OrderState.EXPIRED,
        (OrderState.QUOTED, OrderStep.LAPSE): OrderState.EXPIRED,
        (OrderState.QUOTED, OrderStep.HAND_BACK): OrderState.CANCELLED,
        (OrderState.QUOTED, OrderStep.HOLD): OrderState.HELD,
        (OrderState.QUOTED, OrderStep.ASK_APPROVAL): OrderState.AWAITING,
        (OrderState.QUOTED, OrderStep.ASK_REVIEW): OrderState.AWAITING,
        (OrderState.AWAITING, OrderStep.ASK_REVIEW): OrderState.AWAITING,
        (OrderState.AWAITING, OrderStep.APPROVE): OrderState.APPROVED,
        (OrderState.APPROVED, OrderStep.LAPSE): OrderState.EXPIRED,
        (OrderState.APPROVED, OrderStep.HAND_BACK): OrderState.CANCELLED,
        (OrderState.AWAITING, OrderStep.DENY): OrderState.REFUSED,
        (OrderState.AWAITING, OrderStep.LAPSE): OrderState.EXPIRED,
        (OrderState.AWAITING, OrderStep.HAND_BACK): OrderState.CANCELLED,
        (OrderState.AWAITING, OrderStep.HOLD): OrderState.HELD,
        (OrderState.HELD, OrderStep.SUBMIT): OrderState.PLACED,
        (OrderState.PLACED, OrderStep.START): OrderState.ACTIVE,
        (OrderState.PLACED, OrderStep.END): OrderState.SETTLING,
        (OrderState.ACTIVE, OrderStep.END): OrderState.SETTLING,
        (OrderState.SETTLING, OrderStep.SETTLE): OrderState.SETTLED,
        (OrderState.SETTLED, OrderStep.DISPUTE): OrderState.DISPUTED,
        (OrderState.DISPUTED, OrderStep.CLOSE_DISPUTE): OrderState.SETTLED,
    }
)


def take_step(*, state: OrderState, step: OrderStep) -> OrderState:
    """Return the state after `step`; raises StepImpossible where the table has no such row.

    >>> take_step(state=OrderState.QUOTED, step=OrderStep.HOLD).value
    'held'
    """
    after = TRANSITIONS.get((state, step))
    if after is None:
        raise StepImpossible(
            detail=say("An order that is {state} cannot {step}.", state=state, step=step.replace("_", " "))
        )
    return after
