"""What the supermarket puts on the pages of accelerators: who sells them, and at which price."""

from datetime import datetime

from lilong.platforms.supermarket.queries.shelf import StockView, get_lowest_prices, list_stock

OFFERS_SHOWN = 50

__all__ = ["StockView", "read_lowest_prices", "read_stock_of"]


def read_stock_of(*, accelerator: str, now: datetime) -> tuple[StockView, ...]:
    """Return the offers of an accelerator, the cheapest first; of very many, the newest. Four queries."""
    return list_stock(now=now, limit=OFFERS_SHOWN, accelerator=accelerator)


def read_lowest_prices(*, now: datetime) -> dict[str, int]:
    """Return what one accelerator costs an hour where it is cheapest, in micro-credits by kind. One query."""
    return get_lowest_prices(now=now)
