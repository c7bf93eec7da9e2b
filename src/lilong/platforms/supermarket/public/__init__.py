"""The door of the supermarket: later platforms buy through it and nowhere else. `papers` stands beside it."""

from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.queries.exports import ExportFile, export_order
from lilong.platforms.supermarket.queries.orders import OrderDetail, OrderView, get_order, get_orders, list_orders
from lilong.platforms.supermarket.queries.pulse import Capacity, MarketPulse, get_market_pulse
from lilong.platforms.supermarket.queries.quotes import QuoteView, get_quote
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.platforms.supermarket.services.quotes import quote

__all__ = [
    "Capacity",
    "ExportFile",
    "MarketPulse",
    "OrderDetail",
    "OrderState",
    "OrderView",
    "QuoteView",
    "cancel_order",
    "export_order",
    "get_market_pulse",
    "get_order",
    "get_orders",
    "get_quote",
    "list_orders",
    "place_order",
    "quote",
]
