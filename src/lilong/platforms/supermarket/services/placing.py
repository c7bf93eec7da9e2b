"""Take a quote: check it once more, turn what it reserves into the hold, and hand its run over. The caller locks it."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict, LilongError
from lilong.common.ids import new_id
from lilong.foundation.ledger.public import require_posted
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import Signature, append, sign
from lilong.foundation.runs.public import Candidate, submit_run
from lilong.platforms.funding.public import find_programmes
from lilong.platforms.supermarket.core.charging import choose_charge_code
from lilong.platforms.supermarket.core.checks import gather_refusals
from lilong.platforms.supermarket.core.postings import plan_pend, plan_void
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.routes import RouteVerdict
from lilong.platforms.supermarket.core.states import OrderStep
from lilong.platforms.supermarket.events import OrderPlaced
from lilong.platforms.supermarket.models import Order, Quote
from lilong.platforms.supermarket.queries.budgets import list_rooms
from lilong.platforms.supermarket.queries.quotes import render_quote
from lilong.platforms.supermarket.queries.splits import split_hold
from lilong.platforms.supermarket.services.books import (
    advance,
    list_holds,
    list_reserves,
    note_step,
    post_group,
    sum_held,
)
from lilong.platforms.supermarket.services.budgets import keep_decisions
from lilong.platforms.supermarket.services.checks import check_promise
from lilong.platforms.supermarket.services.routes import keep_route
from lilong.protocol.messages import EnvironmentLock
from lilong.protocol.spec import RunSpec


class QuoteTampered(Conflict):
    """The stored quote is not what the hub signed with its present key."""

    code = "quote.tampered"
    title = "This quote does not bear the hub's signature"
    next_step = "Ask for a new quote; nothing was held."


@dataclass(frozen=True, slots=True)
class TakenQuote:
    """A quote whose order is locked, with what it promises for which job."""

    order: Order
    quote: Quote
    promise: Promise
    spec: RunSpec


def read_taken(*, order: Order) -> TakenQuote:
    """Return the quote of a locked order; raises QuoteTampered where it is not what the hub signed."""
    quote = Quote.objects.get(order=order)
    return TakenQuote(order, quote, _verify_promise(order, quote), RunSpec.model_validate(order.spec))


def find_refusal(*, taken: TakenQuote, route: RouteVerdict | None, now: datetime) -> LilongError | None:
    """Return why the order may not be, or None; keep what budgets and the rule of sizes said either way.

    So let the transaction end well. The caller has locked what limits the organisation, so that no other order counts
    on the same room.
    """
    order, promise = taken.order, taken.promise
    rooms = list_rooms(order=order, now=now)
    refusals = check_promise(
        order=order,
        spec=taken.spec,
        promise=promise,
        rooms=rooms,
        route=route,
        reserves=list_reserves(promise=promise),
        now=now,
    )
    keep_decisions(order=order, rooms=rooms, step=OrderStep.HOLD, asked_uc=promise.max_uc, now=now)
    keep_route(order=order, route=route, step=OrderStep.HOLD, now=now)
    return gather_refusals(refusals=refusals) if refusals else None


def hold_and_submit(*, taken: TakenQuote, route: RouteVerdict | None, now: datetime) -> None:
    """Turn the quote's reservations into the hold and submit its run; nothing may refuse it any more.

    route: by which it goes; what it is drawn from counts it from now on.
    """
    order, promise = taken.order, taken.promise
    if route is not None and route.review_id:
        order.drawn_from_id = route.review_id
        note_step(order=order, step="draw", now=now)
    _hold(order, promise, now=now)
    _submit(order, taken.spec, promise, quote=taken.quote, now=now)
    append(
        kind="supermarket.order",
        subject_id=order.id,
        payload={
            "max_uc": promise.max_uc,
            "order_id": order.id,
            "quote_sha256": sha256_hex(render_quote(quote=taken.quote)),
            "run_id": order.run_id,
        },
        organisation_id=order.organisation_id,
        now=now,
    )
    emit(event=OrderPlaced(order_id=order.id, run_id=order.run_id))


def _verify_promise(order: Order, quote: Quote) -> Promise:
    """Return the promise if the stored text is what the hub signed, and of this order; signatures are deterministic."""
    content = quote.document.encode()
    if sign(content=content) != Signature(key_id=quote.key_id, hex=quote.signature):
        raise QuoteTampered
    promise = read_promise(content=content)
    if (promise.order_id, promise.quote_id, promise.organisation_id) != (order.id, quote.id, order.organisation_id):
        raise QuoteTampered
    return promise


def _hold(order: Order, promise: Promise, *, now: datetime) -> None:
    reserves = list_reserves(promise=promise)
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
