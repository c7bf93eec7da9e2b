"""A hall full of accelerators, jobs by their card-hours, and reviews of large ones."""

from datetime import datetime

from lilong.common.permissions import Actor
from lilong.foundation.cases.core.decisions import Decision
from lilong.foundation.cases.public import decide_case
from lilong.platforms.supermarket.models import Order, Review
from lilong.platforms.supermarket.public import QuoteView, place_order
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.quotes import quote
from lilong.protocol.spec import RunSpec
from tests.market import Seller, open_stall
from tests.people import NOW, found_operator
from tests.pools import at, make_node, make_spec

NODES, CARDS = 8, 512
CARD_PRICE_UC = 2
"""Per 1 000 card-seconds: 7.2 micro-credits a card-hour, so that wallets of tests cover large jobs."""


def open_hall(*, now: datetime = NOW) -> Seller:
    """Let a provider sell 512 cards by the card."""
    nodes = tuple(make_node(name=f"n{number}", h100_sxm5=CARDS // NODES) for number in range(NODES))
    return open_stall(name="hall-1", accelerator="h100-sxm5", nodes=nodes, price_uc=CARD_PRICE_UC, now=now)


def make_job(card_hours: int, **fields: object) -> RunSpec:
    """Return a job on all cards that may take so many card-hours, a multiple of 32."""
    seconds, rest = divmod(card_hours * 3600, CARDS)
    assert not rest
    resources = {"accelerator": "h100-sxm5", "accelerators": CARDS // NODES}
    return make_spec(nodes=NODES, resources=resources, walltime_s=seconds, **fields)


def ask_for(actor: Actor, card_hours: int, *, project_id: str = "", seconds: float = 0) -> QuoteView:
    """Ask for a quote of so many card-hours."""
    return quote(
        actor=actor,
        spec=make_job(card_hours),
        max_cost_uc=None,
        request_name=None,
        project_id=project_id,
        now=at(seconds),
    )


def order_hours(actor: Actor, card_hours: int, *, project_id: str = "", seconds: float = 0) -> Order:
    """Ask for a quote of so many card-hours and take it."""
    view = ask_for(actor, card_hours, project_id=project_id, seconds=seconds)
    place_order(actor=actor, quote_id=view.id, purpose="A model of the city's tides.", now=at(seconds))
    return Order.objects.get(id=view.order_id)


def decide_review(order: Order, *decisions: Decision, seconds: float = 0, reason: str = "Sound.") -> Review:
    """Let as many operators say this of an order's size, and the hub act on it."""
    for decision in decisions:
        operator = found_operator(now=NOW)
        decide_case(actor=operator, case_id=order.review.case_id, decision=decision, reason=reason, now=at(seconds))
    reconcile(now=at(seconds))
    return Review.objects.get(order=order)
