"""Place an order from a quote, and cancel one."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.runs.public import cancel_run
from lilong.platforms.supermarket.core.checks import QuoteExpired
from lilong.platforms.supermarket.core.states import OrderState, OrderStep, StepImpossible
from lilong.platforms.supermarket.models import RUNNING_STATES, Order
from lilong.platforms.supermarket.services.approvals import ask_approval
from lilong.platforms.supermarket.services.books import note_step, tell_order
from lilong.platforms.supermarket.services.budgets import lock_limits
from lilong.platforms.supermarket.services.placing import find_refusal, hold_and_submit, read_taken
from lilong.platforms.supermarket.services.quotes import BUYERS, end_live_quote
from lilong.protocol.messages import Reason


def place_order(*, actor: Actor, quote_id: str, now: datetime) -> str:
    """Take a quote of one's own organisation: hold its maximum, submit its run, return the order's id.

    One transaction: reservations become the hold in one link group, so that the voucher value is never free in
    between. An order above what the organisation lets one person order waits for an approval instead, with the state
    AWAITING. Idempotent: a quote that was taken answers with its order. Raises what refuses it, and keeps what budgets
    said of it.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    with transaction.atomic():
        mine = Order.objects.select_for_update(of=("self",)).filter(organisation_id=actor.organisation_id)
        order = mine.filter(quote__id=quote_id).first()
        if order is None:
            raise NotFound(detail=say("There is no quote {quote_id} of your organisation.", quote_id=quote_id[:64]))
        if order.run_id or order.state == OrderState.AWAITING:
            return order.id
        if order.state == OrderState.EXPIRED:
            raise QuoteExpired
        rule = lock_limits(organisation_id=order.organisation_id)
        taken = read_taken(order=order)
        refusal = find_refusal(taken=taken, now=now)
        above_uc = rule.approval_above_uc if rule else None
        if refusal is None and above_uc is not None and taken.promise.max_uc > above_uc:
            ask_approval(taken=taken, above_uc=above_uc, now=now)
        elif refusal is None:
            hold_and_submit(taken=taken, now=now)
    if refusal is not None:
        raise refusal
    return order.id


def cancel_order(*, actor: Actor, order_id: str, now: datetime) -> None:
    """Hand back a quote, or stop the run of an order: what it used until then, and in its grace, is charged.

    Idempotent while the order runs; an order that is over raises StepImpossible. See `cancel_costs_at_most_uc` of the
    order before calling.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    with transaction.atomic():
        order = Order.objects.select_for_update().visible_to(actor).filter(id=order_id).first()
        if order is None:
            raise NotFound(detail=say("There is no order {order_id} that you can see.", order_id=order_id[:64]))
        if order.state in {OrderState.QUOTED, OrderState.AWAITING}:
            end_live_quote(order=order, step=OrderStep.HAND_BACK, now=now)
        elif order.state not in RUNNING_STATES:
            raise StepImpossible(detail=say("An order that is {state} cannot be cancelled.", state=order.state))
        elif order.cancel_requested_at is None:
            by_member = order.organisation_id == actor.organisation_id
            reason = Reason.CANCELLED_BY_MEMBER if by_member else Reason.CANCELLED_BY_HUB
            order.cancel_requested_at = now
            order.save(update_fields=["cancel_requested_at"])
            note_step(order=order, step="cancel", now=now, detail=reason.value)
            if not by_member:
                tell_order(order=order, kind="order_cancelled", detail=reason.value, now=now)
            cancel_run(run_id=order.run_id, reason=reason, now=now)
