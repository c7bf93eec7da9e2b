"""An organisation's charges of a period as a FOCUS file."""

from collections.abc import Collection, Sequence

from django.conf import settings

from lilong.common.django.rates import list_rates
from lilong.common.errors import InvariantBroken
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.common.rates import choose_rate
from lilong.common.sentences import say
from lilong.foundation.ledger.public import AccountKind
from lilong.foundation.ledger.public.moves import Move, list_moves
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.supermarket.core.charges import Charge, ChargedOrder, Movement, list_charges
from lilong.platforms.supermarket.core.focus import COLUMNS, Parties, render_charge
from lilong.platforms.supermarket.core.pricing import charge_usage
from lilong.platforms.supermarket.core.promise import read_promise
from lilong.platforms.supermarket.models import Offer, Order
from lilong.platforms.supermarket.queries.invoices import number_charges
from lilong.platforms.supermarket.queries.usage import read_settled_usage
from lilong.protocol.exports import render_csv

PAYMENTS = frozenset(
    {
        AccountKind.OUTSIDE,
        AccountKind.PROGRAMME_FUND,
        AccountKind.WALLET,
        AccountKind.PROJECT_BUDGET,
        AccountKind.VOUCHER,
    }
)
"""Where money comes from, and goes to, that is no charge: in and out of the hub, grants, between those who pay."""


def export_focus(*, actor: Actor, period: DayPeriod) -> bytes:
    """Return what the actor's organisation was charged in a period as FOCUS 1.2 in CSV: equal books, equal bytes.

    Raises RateMissing. Cost: linear in the period's charges; nine queries for the first 999 orders.
    """
    charges = list_charges_of(organisation_id=actor.organisation_id, period=period)
    parties, rates = name_parties(organisation_id=actor.organisation_id, charges=charges), list_rates()
    numbers = number_charges(organisation_id=actor.organisation_id, charges=charges, rates=rates)
    rows = [
        render_charge(
            charge=charge,
            parties=parties,
            rate=choose_rate(rates=rates, at=charge.effective_at),
            invoice_number=number,
        )
        for charge, number in zip(charges, numbers, strict=True)
    ]
    return render_csv(columns=COLUMNS, rows=rows)


def list_charges_of(*, organisation_id: str, period: DayPeriod) -> tuple[Charge, ...]:
    """Return what an organisation was charged in a period, from the ledger and from the usage that was settled."""
    moves = list_moves(owner_id=organisation_id, begin=period.begin, end=period.end) if organisation_id else []
    movements = [_read_move(move) for move in moves if move.other_kind not in PAYMENTS]
    return list_charges(movements=movements, orders=_read_orders({each.subject for each in movements}))


def _read_move(move: Move) -> Movement:
    transfer = move.transfer
    return Movement(
        transfer_id=transfer.id,
        group_id=transfer.group_id,
        code=transfer.code,
        subject=transfer.subject,
        voucher_id=move.purpose if move.kind is AccountKind.VOUCHER else "",
        change_uc=move.change_uc,
        effective_at=transfer.effective_at,
        corrects=transfer.corrects or "",
    )


def _read_orders(order_ids: Collection[str]) -> dict[str, ChargedOrder]:
    orders = Order.objects.exclude(settlement=None).select_related("quote", "settlement").in_bulk(order_ids)
    return {order_id: _read_order(order) for order_id, order in orders.items()}


def _read_order(order: Order) -> ChargedOrder:
    promise = read_promise(content=order.quote.document.encode())
    if order.placed_at is None:
        raise InvariantBroken(detail=say("Order {order_id} is settled and was never placed.", order_id=order.id))
    return ChargedOrder(
        id=order.id,
        run_id=order.run_id,
        name=order.name,
        placed_at=order.placed_at,
        settled_at=order.settlement.settled_at,
        lines=charge_usage(
            usages=read_settled_usage(text=order.settlement.usage_csv), terms=promise.terms, max_uc=promise.max_uc
        ),
    )


def name_parties(*, organisation_id: str, charges: Sequence[Charge]) -> Parties:
    """Return who pays, and by offer whose machines the charges are about. Two queries."""
    used = {charge.line.terms.offer_id for charge in charges if charge.line}
    offers = Offer.objects.select_related("provider").in_bulk(used)
    sellers = {offer_id: offer.provider.organisation_id for offer_id, offer in offers.items()}
    names = name_organisations(organisation_ids={organisation_id, *sellers.values()})
    return Parties(
        account_id=organisation_id,
        account_name=names.get(organisation_id, organisation_id),
        hub=settings.LILONG.hub_name,
        offers={offer_id: offer.name for offer_id, offer in offers.items()},
        publishers={offer_id: names[seller_id] for offer_id, seller_id in sellers.items()},
    )
