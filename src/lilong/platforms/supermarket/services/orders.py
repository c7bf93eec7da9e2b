"""Place an order from a quote, and cancel one: the only places that start and stop runs."""

from datetime import datetime

from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.public import require_posted
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import Signature, append, sign
from lilong.foundation.runs.public import Candidate, cancel_run, submit_run
from lilong.platforms.funding.public import find_programmes
from lilong.platforms.supermarket.core.charging import choose_charge_code
from lilong.platforms.supermarket.core.checks import QuoteExpired, gather_refusals
from lilong.platforms.supermarket.core.postings import plan_pend, plan_void
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.states import OrderState, OrderStep, StepImpossible
from lilong.platforms.supermarket.events import OrderPlaced
from lilong.platforms.supermarket.models import RUNNING_STATES, Order, Quote
from lilong.platforms.supermarket.queries.quotes import render_quote
from lilong.platforms.supermarket.queries.splits import split_hold
from lilong.platforms.supermarket.services.books import (
    advance,
    list_holds,
    list_reserves,
    note_step,
    post_group,
    sum_held,
    tell_order,
)
from lilong.platforms.supermarket.services.checks import check_promise
from lilong.platforms.supermarket.services.quotes import BUYERS, end_live_quote
from lilong.protocol.messages import EnvironmentLock, Reason
from lilong.protocol.spec import RunSpec


class QuoteTampered(Conflict):
    """The stored quote is not what the hub signed with its present key."""

    code = "quote.tampered"
    title = "This quote does not bear the hub's signature"
    next_step = "Ask for a new quote; nothing was held."


def place_order(*, actor: Actor, quote_id: str, now: datetime) -> str:
    """Take a quote of one's own organisation: hold its maximum, submit its run, return the order's id.

    One transaction: reservations become the hold in one link group, so that the voucher value is never free in
    between. Idempotent: a quote that was taken answers with its order. Raises what refuses it.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    with transaction.atomic():
        mine = Order.objects.select_for_update(of=("self",)).filter(organisation_id=actor.organisation_id)
        order = mine.filter(quote__id=quote_id).first()
        if order is None:
            raise NotFound(detail=say("There is no quote {quote_id} of your organisation.", quote_id=quote_id[:64]))
        if order.run_id:
            return order.id
        if order.state == OrderState.EXPIRED:
            raise QuoteExpired
        quote = Quote.objects.get(order=order)
        promise = _verify_promise(order, quote)
        spec = RunSpec.model_validate(order.spec)
        _hold(order, spec, promise, now=now)
        _submit(order, spec, promise, quote=quote, now=now)
        append(
            kind="supermarket.order",
            subject_id=order.id,
            payload={
                "max_uc": promise.max_uc,
                "order_id": order.id,
                "quote_sha256": sha256_hex(render_quote(quote=quote)),
                "run_id": order.run_id,
            },
            organisation_id=order.organisation_id,
            now=now,
        )
        emit(event=OrderPlaced(order_id=order.id, run_id=order.run_id))
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
        if order.state == OrderState.QUOTED:
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


def _verify_promise(order: Order, quote: Quote) -> Promise:
    """Return the promise if the stored text is what the hub signed, and of this order; signatures are deterministic."""
    content = quote.document.encode()
    if sign(content=content) != Signature(key_id=quote.key_id, hex=quote.signature):
        raise QuoteTampered
    promise = read_promise(content=content)
    if (promise.order_id, promise.quote_id, promise.organisation_id) != (order.id, quote.id, order.organisation_id):
        raise QuoteTampered
    return promise


def _hold(order: Order, spec: RunSpec, promise: Promise, *, now: datetime) -> None:
    """Check once more and turn the quote's reservations into the hold."""
    reserves = list_reserves(promise=promise)
    refusals = check_promise(order=order, spec=spec, promise=promise, reserves=reserves, now=now)
    if refusals:
        raise gather_refusals(refusals=refusals)
    holds = list_holds(promise=promise)
    postings = (
        *plan_void(holds=reserves, escrow=promise.escrow_account, code="unreserve"),
        *plan_pend(holds=holds, escrow=promise.escrow_account, code="hold"),
    )
    require_posted(results=post_group(group_id=f"{order.id}.hold", postings=postings, order_id=order.id, now=now))
    order.live_slot = None
    advance(order=order, step=OrderStep.HOLD, now=now, money="held", amount_uc=sum_held(holds=holds))


def _submit(order: Order, spec: RunSpec, promise: Promise, *, quote: Quote, now: datetime) -> None:
    """Hand the run to its candidates in the quote's order, with the time that the hold pays for."""
    order.run_id, order.placed_at = new_id("run"), now
    advance(order=order, step=OrderStep.SUBMIT, now=now, detail=order.run_id)
    submit_run(
        run_id=order.run_id,
        organisation_id=order.organisation_id,
        person_id=order.person_id,
        spec=spec,
        candidates=[
            Candidate(pool_id=offer.pool_id, rank_cost=rank, ref=offer.offer_id)
            for rank, offer in enumerate(promise.offers)
        ],
        locks={pool_id: EnvironmentLock.model_validate(lock) for pool_id, lock in quote.locks.items()},
        authorised_ms=promise.max_ms,
        charge_code=_find_charge_code(promise),
        now=now,
    )


def _find_charge_code(promise: Promise) -> str:
    """Return the programme that carries most of the hold, empty when the wallet carries all of it."""
    programmes = find_programmes(voucher_ids=[voucher.voucher_id for voucher in promise.vouchers])
    parts_uc = split_hold(promise=promise).vouchers_uc
    payers = [programmes[voucher.voucher_id] for voucher in promise.vouchers]
    return choose_charge_code(parts=list(zip(payers, parts_uc, strict=True)))
