"""Reads of orders: where they stand, what they cost so far and would cost if cancelled now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.sentences import load_sentence, say
from lilong.foundation.runs.public import RunState, RunView, StartBasis, get_runs
from lilong.platforms.supermarket.core.policy import CANCEL_GRACE_S
from lilong.platforms.supermarket.core.pricing import AttemptUsage, charge_usage
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import LAPSING_STATES, RUNNING_STATES, Order, OrderQuerySet, TimelineEntry
from lilong.platforms.supermarket.queries.routes import ReviewView, find_review
from lilong.platforms.supermarket.queries.usage import read_usage
from lilong.protocol.spec import RunSpec

TAKEN_STATES = frozenset(OrderState) - {OrderState.DRAFT, OrderState.QUOTED}
"""What an order whose quote was taken may be."""


@dataclass(frozen=True, slots=True)
class TimelineView:
    """One line of an order's timeline; money says what the amount is."""

    step: str
    state: str
    at: datetime
    money: str
    amount_uc: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order in one line.

    charged_uc: after corrections; None before the settlement.
    """

    id: str
    quote_id: str | None
    organisation_id: str
    person_id: str
    project_id: str | None
    name: str
    state: OrderState
    run_id: str
    run_state: str
    max_uc: int | None
    charged_uc: int | None
    voucher_uc: int | None
    refunded_uc: int | None
    created_at: datetime
    placed_at: datetime | None
    cancel_requested_at: datetime | None
    settled_at: datetime | None
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What an order that runs costs until now, None for one that does not, and its run as far as it was read."""

    run: RunView | None
    so_far_uc: int | None
    cancel_costs_at_most_uc: int


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """An order with its timeline, and while it runs what it has cost until now and would cost if cancelled now.

    The latter includes the grace in which the job may still write its checkpoint. waiting_reason and expected_start:
    the run's. review: of its size, None where it needed none. drawn_from: the order whose approved request it counts
    against, None where it counts by itself.
    """

    order: OrderView
    timeline: tuple[TimelineView, ...]
    so_far_uc: int | None
    cancel_costs_at_most_uc: int
    waiting_reason: str
    expected_start_at: datetime | None
    expected_start_basis: StartBasis | None
    review: ReviewView | None
    drawn_from: str | None


def list_orders(
    *, actor: Actor, cursor: str | None, limit: int, states: Collection[OrderState] = TAKEN_STATES
) -> Page[OrderView]:
    """Return a page of orders whose quote was taken, newest first, of these states alone. One query."""
    taken = Order.objects.visible_to(actor).exclude(run_id="", approval=None, review=None).filter(state__in=states)
    return _page(taken, cursor=cursor, limit=limit)


def list_awaiting(*, actor: Actor, cursor: str | None, limit: int) -> Page[OrderView]:
    """Return a page of orders that wait for somebody of their own organisation to approve them. One query."""
    waiting = Order.objects.visible_to(actor).filter(state=OrderState.AWAITING, approval__decision="")
    return _page(waiting, cursor=cursor, limit=limit)


def get_order(*, actor: Actor, order_id: str, now: datetime) -> OrderDetail:
    """Return an order that the actor may see, also one that is still a quote; raises NotFound."""
    order = find_order(actor=actor, order_id=order_id)
    standing = reckon_order(order=order, run=None, now=now)
    run = standing.run
    return OrderDetail(
        order=view_order(order=order),
        timeline=list_timeline(order=order),
        so_far_uc=standing.so_far_uc,
        cancel_costs_at_most_uc=standing.cancel_costs_at_most_uc,
        waiting_reason=run.waiting_reason if run else "",
        expected_start_at=run.expected_start_at if run else None,
        expected_start_basis=run.expected_start_basis if run else None,
        review=find_review(order=order) if hasattr(order, "review") else None,
        drawn_from=order.drawn_from.order_id if order.drawn_from else None,
    )


def find_order(*, actor: Actor, order_id: str) -> Order:
    """Return the row of an order that the actor may see, with all that is one with it; raises NotFound. One query."""
    orders = Order.objects.visible_to(actor).select_related(
        "quote", "settlement", "approval", "review", "drawn_from", "project"
    )
    order = orders.filter(id=order_id).first()
    if order is None:
        raise NotFound(detail=say("There is no order {order_id} that you can see.", order_id=order_id[:64]))
    return order


def find_order_of_run(*, actor: Actor, run_id: str) -> Order:
    """Return the order for which a run runs, if the actor may see it; raises NotFound."""
    order = Order.objects.visible_to(actor).filter(run_id=run_id).exclude(run_id="").first()
    if order is None:
        raise NotFound(detail=say("There is no order of run {run_id} that you can see.", run_id=run_id[:64]))
    return order


def list_timeline(*, order: Order) -> tuple[TimelineView, ...]:
    """Return what happened to an order, in that order. One query."""
    rows = TimelineEntry.objects.filter(order=order).order_by("number")
    return tuple(
        TimelineView(
            step=row.step,
            state=row.state,
            at=row.at,
            money=row.money,
            amount_uc=row.amount_uc,
            detail=load_sentence(row.detail, row.said),
        )
        for row in rows
    )


def reckon_order(*, order: Order, run: RunView | None, now: datetime) -> Reckoning:
    """Return what an order costs until now and if it were cancelled; its run is read where it runs and none is given.

    Four queries at most.
    """
    if order.state not in RUNNING_STATES:
        return Reckoning(run=run, so_far_uc=None, cancel_costs_at_most_uc=0)
    run = run or get_runs(run_ids=[order.run_id], now=now)[order.run_id]
    promise = read_promise(content=order.quote.document.encode())
    return Reckoning(
        run=run,
        so_far_uc=_charge(promise, read_usage(run=run)),
        cancel_costs_at_most_uc=_charge(promise, _add_grace(run, RunSpec.model_validate(order.spec))),
    )


def get_orders(*, order_ids: Sequence[str]) -> dict[str, OrderView]:
    """Return orders by id, for other rooms; unknown ids are left out. One query."""
    orders = Order.objects.filter(id__in=order_ids).select_related("quote", "settlement")
    return {order.id: view_order(order=order) for order in orders}


def list_lapsed(*, now: datetime, limit: int) -> list[str]:
    """Return the ids of drafts, quotes and approvals that have expired, oldest first; not what operators review."""
    lapsed = Order.objects.filter(state__in=LAPSING_STATES, expires_at__lte=now).order_by("expires_at", "id")
    lapsed = lapsed.exclude(state=OrderState.AWAITING, live_slot=None, review__decision="")
    return list(lapsed.values_list("id", flat=True)[:limit])


def list_changed(*, after: str, limit: int, now: datetime) -> tuple[list[str], str]:
    """Return orders whose run is ahead of them, among the next `limit` running ones, and where to go on; "" at the end.

    Two queries for each call.
    """
    rows = list(
        Order.objects.running().filter(id__gt=after).order_by("id").values_list("id", "run_id", "state")[:limit]
    )
    runs = get_runs(run_ids=[run_id for _, run_id, _ in rows], now=now)
    changed = [order_id for order_id, run_id, state in rows if _is_ahead(runs[run_id], OrderState(state))]
    return changed, rows[-1][0] if len(rows) == limit else ""


def list_unrelieved(*, limit: int) -> list[str]:
    """Return settled orders with relief that could not be posted yet, oldest first."""
    waiting = Order.objects.filter(relieved_at=None, settled_at__isnull=False).order_by("id")
    return list(waiting.values_list("id", flat=True)[:limit])


def list_releasable(*, now: datetime, limit: int) -> list[str]:
    """Return settled orders whose dispute window has passed and whose earnings are not available yet."""
    waiting = Order.objects.filter(state=OrderState.SETTLED, released_at=None, releasable_at__lte=now)
    return list(waiting.order_by("releasable_at", "id").values_list("id", flat=True)[:limit])


def _page(orders: OrderQuerySet, *, cursor: str | None, limit: int) -> Page[OrderView]:
    page = page_newest_first(orders.select_related("quote", "settlement"), cursor=cursor, limit=limit)
    return Page(items=[view_order(order=order) for order in page.items], next_cursor=page.next_cursor)


def _is_ahead(run: RunView, state: OrderState) -> bool:
    return run.finished or (run.state is not RunState.PENDING and state is OrderState.PLACED)


def _charge(promise: Promise, usages: Sequence[AttemptUsage]) -> int:
    return sum(line.due_uc for line in charge_usage(usages=usages, terms=promise.terms, max_uc=promise.max_uc))


def _add_grace(run: RunView, spec: RunSpec) -> list[AttemptUsage]:
    """Return the usage as it would be at most after a cancel: the live attempt may run on until its grace is over."""
    grace_s = spec.checkpoint.grace_s if spec.checkpoint else CANCEL_GRACE_S
    usages = read_usage(run=run)
    live = {attempt.id for attempt in run.attempts if attempt.ended_at is None}
    return [
        replace(usage, billable_ms=usage.metered_ms + grace_s * 1000) if usage.attempt_id in live else usage
        for usage in usages
    ]


def view_order(*, order: Order) -> OrderView:
    """Return an order in one line; its quote and settlement are loaded."""
    settlement = getattr(order, "settlement", None)
    quote = getattr(order, "quote", None)
    corrected_uc = (order.due_uc or 0) - settlement.charged_uc if settlement else 0
    return OrderView(
        id=order.id,
        quote_id=quote.id if quote else None,
        organisation_id=order.organisation_id,
        person_id=order.person_id,
        project_id=order.project_id,
        name=order.name,
        state=OrderState(order.state),
        run_id=order.run_id,
        run_state=order.run_state,
        max_uc=order.max_uc,
        charged_uc=order.due_uc,
        voucher_uc=settlement.voucher_uc if settlement else None,
        refunded_uc=settlement.refunded_uc - corrected_uc if settlement else None,
        created_at=order.created_at,
        placed_at=order.placed_at,
        cancel_requested_at=order.cancel_requested_at,
        settled_at=order.settled_at,
        released_at=order.released_at,
    )
