"""Everything about one order on one sheet: what a person asks of it, read at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lilong.common.permissions import Actor
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.public import RunView, get_runs
from lilong.platforms.supermarket.core.pricing import HOUR_MS, ChargeLine, charge_usage, price_time
from lilong.platforms.supermarket.core.promise import Promise, QuotedOffer, read_promise
from lilong.platforms.supermarket.models import Offer, Order
from lilong.platforms.supermarket.queries.approvals import ApprovalSheet, find_approval_sheet
from lilong.platforms.supermarket.queries.orders import (
    OrderView,
    TimelineView,
    find_order,
    list_timeline,
    reckon_order,
    view_order,
)
from lilong.platforms.supermarket.queries.quotes import QuoteView, find_quote, view_quote
from lilong.platforms.supermarket.queries.routes import ReviewView, RouteView, find_review, find_route
from lilong.platforms.supermarket.queries.splits import split_lines
from lilong.platforms.supermarket.queries.usage import read_usage
from lilong.protocol.spec import RunSpec


@dataclass(frozen=True, slots=True)
class SheetOffer:
    """An offer that the quote names, by the names that people know. hour_uc: what the whole job costs an hour there."""

    name: str
    provider: str
    hour_uc: int
    terms: QuotedOffer


@dataclass(frozen=True, slots=True)
class OrderSheet:
    """An order, its quote and its run. charges: what each attempt costs, by its id, before corrections.

    so_far_uc and so_far_voucher_uc: None unless it runs. cancel_costs_at_most_uc includes the grace.
    voucher_max_uc: what vouchers pay of the hold. drawn_from: the order whose approved request it is
    ordered by, or empty.
    """

    order: OrderView
    spec: RunSpec
    timeline: tuple[TimelineView, ...]
    offers: tuple[SheetOffer, ...]
    promise: Promise | None
    run: RunView | None
    charges: Mapping[str, int]
    so_far_uc: int | None
    so_far_voucher_uc: int | None
    cancel_costs_at_most_uc: int
    expires_at: datetime
    project_name: str
    approval: ApprovalSheet | None
    review: ReviewView | None
    drawn_from: str

    @property
    def cancel_returns_at_least_uc(self) -> int:
        """What comes back for certain if it is cancelled now."""
        return (self.order.max_uc or 0) - self.cancel_costs_at_most_uc


def get_order_sheet(*, actor: Actor, order_id: str, now: datetime) -> OrderSheet:
    """Return the sheet of an order that the actor may see; raises NotFound. Nine queries."""
    order = find_order(actor=actor, order_id=order_id)
    quote = getattr(order, "quote", None)
    promise = read_promise(content=quote.document.encode()) if quote else None
    run = get_runs(run_ids=[order.run_id], now=now).get(order.run_id) if order.run_id else None
    reckoning = reckon_order(order=order, run=run, now=now)
    lines = _charge_attempts(order, promise, run) if promise and run else ()
    return OrderSheet(
        order=view_order(order=order),
        spec=RunSpec.model_validate(order.spec),
        timeline=list_timeline(order=order),
        offers=name_offers(promise=promise) if promise else (),
        promise=promise,
        run=run,
        charges={line.usage.attempt_id: line.due_uc for line in lines},
        so_far_uc=reckoning.so_far_uc,
        so_far_voucher_uc=sum(split_lines(promise=promise, lines=lines).vouchers_uc)
        if promise and reckoning.so_far_uc is not None
        else None,
        cancel_costs_at_most_uc=reckoning.cancel_costs_at_most_uc,
        expires_at=order.expires_at,
        project_name=order.project.name if order.project else "",
        approval=find_approval_sheet(order=order),
        review=find_review(order=order) if hasattr(order, "review") else None,
        drawn_from=order.drawn_from.order_id if order.drawn_from else "",
    )


@dataclass(frozen=True, slots=True)
class QuoteSheet:
    """A quote, its offers by the names that people know, what the job asks for, and by which route its size goes.

    route: None of a job without a card.
    """

    quote: QuoteView
    spec: RunSpec
    offers: tuple[SheetOffer, ...]
    project_name: str
    route: RouteView | None

    @property
    def wallet_max_uc(self) -> int:
        """What the wallet holds: the most that it can have to pay."""
        return self.quote.wallet_max_uc

    @property
    def are_rates_equal(self) -> bool:
        """Whether vouchers pay the same on all offers: only then do both parts add up to the maximum."""
        return not any(voucher.other_rates_ppm for voucher in self.quote.promise.vouchers)


def get_quote_sheet(*, actor: Actor, quote_id: str, now: datetime) -> QuoteSheet:
    """Return a quote that the actor may see; raises NotFound. Five queries."""
    quote = find_quote(actor=actor, quote_id=quote_id)
    view, order = view_quote(quote=quote), quote.order
    return QuoteSheet(
        quote=view,
        spec=RunSpec.model_validate(order.spec),
        offers=name_offers(promise=view.promise),
        project_name=order.project.name if order.project else "",
        route=find_route(order=order, max_uc=view.promise.max_uc, now=now),
    )


def _charge_attempts(order: Order, promise: Promise, run: RunView) -> tuple[ChargeLine, ...]:
    return charge_usage(usages=read_usage(run=run), terms=promise.terms, max_uc=order.max_uc or promise.max_uc)


def name_offers(*, promise: Promise) -> tuple[SheetOffer, ...]:
    """Return the offers of a quote in its order, withdrawn ones included. Two queries."""
    rows = Offer.objects.select_related("provider").in_bulk([terms.offer_id for terms in promise.offers])
    sellers = name_organisations(organisation_ids=[row.provider.organisation_id for row in rows.values()])
    return tuple(
        SheetOffer(
            name=rows[terms.offer_id].name,
            provider=sellers[rows[terms.offer_id].provider.organisation_id],
            hour_uc=price_time(price_uc=terms.price_uc, units=terms.units, duration_ms=HOUR_MS),
            terms=terms,
        )
        for terms in promise.offers
    )
