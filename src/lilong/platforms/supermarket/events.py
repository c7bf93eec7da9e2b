"""What happened to orders, for whoever comes later."""

from dataclasses import dataclass
from typing import ClassVar

from lilong.foundation.outbox.public import Event


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    """The money of an order is held and its run submitted."""

    name: ClassVar[str] = "supermarket.order_placed"

    order_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class OrderSettled(Event):
    """An order was settled: charged and refunded sum to what was held."""

    name: ClassVar[str] = "supermarket.order_settled"

    order_id: str
    charged_uc: int
