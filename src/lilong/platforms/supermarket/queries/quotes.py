"""Reads of quotes."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.canonical import sha256_hex
from lilong.common.django.paging import page_newest_first
from lilong.common.errors import FieldProblem, NotFound, load_problem
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Order, Quote
from lilong.platforms.supermarket.queries.splits import split_hold
from lilong.protocol.exports import render_json


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A quote, what it promises, its signature, and notes: what was left out or is missing, and why.

    state: of its order. wallet_max_uc: what the wallet holds, the most that it can have to pay. sha256: of the exported
    quote.json, which the record holds.
    """

    id: str
    order_id: str
    project_id: str | None
    name: str
    state: OrderState
    promise: Promise
    wallet_max_uc: int
    notes: tuple[FieldProblem, ...]
    key_id: str
    signature: str
    sha256: str
    created_at: datetime


def get_quote(*, actor: Actor, quote_id: str) -> QuoteView:
    """Return a quote of the actor's organisation; raises NotFound. One query."""
    return view_quote(quote=find_quote(actor=actor, quote_id=quote_id))


def find_quote(*, actor: Actor, quote_id: str) -> Quote:
    """Return the row of a quote that the actor may see, with its order and project; raises NotFound. One query."""
    visible = Quote.objects.filter(order__in=Order.objects.visible_to(actor)).select_related("order__project")
    quote = visible.filter(id=quote_id).first()
    if quote is None:
        raise NotFound(detail=say("There is no quote {quote_id} that you can see.", quote_id=quote_id[:64]))
    return quote


def list_quotes(*, actor: Actor, cursor: str | None, limit: int) -> Page[QuoteView]:
    """Return a page of quotes, newest first. One query."""
    visible = Quote.objects.filter(order__in=Order.objects.visible_to(actor)).select_related("order")
    page = page_newest_first(visible, cursor=cursor, limit=limit)
    return Page(items=[view_quote(quote=quote) for quote in page.items], next_cursor=page.next_cursor)


def render_quote(*, quote: Quote) -> bytes:
    """Return quote.json: the members that were signed, and beside them the signature."""
    promise = read_promise(content=quote.document.encode())
    signature = {"key_id": quote.key_id, "hex": quote.signature}
    return render_json({**promise.document, "signature": signature})


def view_quote(*, quote: Quote) -> QuoteView:
    """Return a quote whose order is loaded."""
    promise = read_promise(content=quote.document.encode())
    return QuoteView(
        id=quote.id,
        order_id=quote.order_id,
        project_id=quote.order.project_id,
        name=quote.order.name,
        state=OrderState(quote.order.state),
        promise=promise,
        wallet_max_uc=split_hold(promise=promise).wallet_uc,
        notes=tuple(load_problem(note) for note in quote.notes),
        key_id=quote.key_id,
        signature=quote.signature,
        sha256=sha256_hex(render_quote(quote=quote)),
        created_at=quote.order.created_at,
    )
