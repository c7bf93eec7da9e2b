"""What the supermarket puts on the pages of accelerators: who sells them, and at which price."""

from datetime import datetime

from lilong.platforms.supermarket.queries.search import ShelfOffer, list_on_sale
from lilong.platforms.supermarket.queries.shelf import get_lowest_prices

OFFERS_SHOWN = 50

__all__ = ["ShelfOffer", "read_lowest_prices", "read_stock_of"]


def read_stock_of(*, accelerator: str, now: datetime) -> tuple[ShelfOffer, ...]:
    """Return the offers of an accelerator, the cheapest first and at most OFFERS_SHOWN. The shelf's own queries."""
    return list_on_sale(accelerator=accelerator, limit=OFFERS_SHOWN, now=now)


def read_lowest_prices(*, now: datetime) -> dict[str, int]:
    """Return what one accelerator costs an hour where it is cheapest, in micro-credits by kind. One query."""
    return get_lowest_prices(now=now)
