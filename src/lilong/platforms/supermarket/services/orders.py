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
from lilong.platforms.supermarket.queries.routes import find_verdict
from lilong.platforms.supermarket.services.approvals import ask_approval, use_approval
from lilong.platforms.supermarket.services.books import note_step, tell_order
from lilong.platforms.supermarket.services.placing import find_refusal, read_taken
from lilong.platforms.supermarket.services.quotes import BUYERS, end_live_quote
from lilong.platforms.supermarket.services.reviews import carry_on, withdraw_review
from lilong.platforms.supermarket.services.routes import lock_room
from lilong.protocol.messages import Reason


def place_order(*, actor: Actor, quote_id: str, purpose: str = "", now: datetime) -> str:
    """Take a quote of one's own organisation: hold its maximum, submit its run, return the order's id.

    purpose: what it is for, told to operators where they review its size.
    One transaction: reservations become the hold in one link group, so that the voucher value is never free in
    between. An order above what the organisation lets one person order waits for an approval instead, and one too large
    for the automatic route for a review, with the state AWAITING. Idempotent: a quote that was taken answers with its
    order. Raises what refuses it, and keeps what budgets and the rule of sizes said of it.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    with transaction.atomic():
        mine = Order.objects.select_for_update(of=("self",)).filter(organisation_id=actor.organisation_id)
        order = mine.filter(quote__id=quote_id).first()
        if order is None:
            raise NotFound(detail=say("There is no quote {quote_id} of your organisation.", quote_id=quote_id[:64]))
        if order.run_id or order.state in {OrderState.AWAITING, OrderState.APPROVED}:
            return order.id
        if order.state == OrderState.EXPIRED:
            raise QuoteExpired
        rule = lock_room(order=order)
        taken = read_taken(order=order)
        route = find_verdict(order=order, max_uc=taken.promise.max_uc, now=now)
        refusal = find_refusal(taken=taken, route=route, now=now)
        order.purpose = purpose
        above_uc = rule.approval_above_uc if rule else None
        is_above = above_uc is not None and taken.promise.max_uc > above_uc
        if refusal is None and is_above and not use_approval(order=order, now=now):
            ask_approval(taken=taken, above_uc=above_uc or 0, now=now)
        elif refusal is None:
            carry_on(order=order, taken=taken, route=route, now=now)
    if refusal is not None:
        raise refusal
    return order.id


def cancel_order(*, actor: Actor, order_id: str, now: datetime) -> None:
    """Hand back a quote, a request or an approval; or stop a run: what it used, its grace included, is charged.

    Idempotent while the order runs; an order that is over raises StepImpossible. See `cancel_costs_at_most_uc` of the
    order before calling.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    with transaction.atomic():
        order = Order.objects.select_for_update().visible_to(actor).filter(id=order_id).first()
        if order is None:
            raise NotFound(detail=say("There is no order {order_id} that you can see.", order_id=order_id[:64]))
        if order.state in {OrderState.QUOTED, OrderState.AWAITING, OrderState.APPROVED}:
            end_live_quote(order=order, step=OrderStep.HAND_BACK, now=now)
            withdraw_review(order=order, now=now)
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
