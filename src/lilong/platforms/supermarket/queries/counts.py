"""How many orders there are, and what was charged lately: for whoever keeps the hub running."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Sum

from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import QUOTE_STATES, RUNNING_STATES, Order

DAY = timedelta(days=1)
LIVE_STATES = (*QUOTE_STATES, *RUNNING_STATES, OrderState.DISPUTED)


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """Orders that are not over by state, and those that settled in the last 24 hours unless they are in dispute.

    charged_uc: what those that settled are charged, after corrections.
    """

    live: Mapping[OrderState, int]
    settled: int
    charged_uc: int


def count_orders(*, now: datetime) -> OrderCounts:
    """Return how many orders there are. One query. Cost: linear in live orders and those settled in the last day."""
    # Earnings wait for the dispute window, so the index of what is not released yet knows all that settled lately.
    settled = Order.objects.filter(
        released_at=None,
        settled_at__isnull=False,
        releasable_at__gt=now - DAY + DISPUTE_WINDOW,
        settled_at__gt=now - DAY,
        state=OrderState.SETTLED,
    )
    parts = [
        orders.values_list("state").annotate(count=Count("id"), due_uc=Sum("due_uc"))
        for orders in (
            Order.objects.live_quotes(),
            Order.objects.running(),
            Order.objects.disputed(),
            settled,
        )
    ]
    rows = parts[0].union(*parts[1:], all=True)
    found = {OrderState(state): (count, due_uc) for state, count, due_uc in rows}
    settled_orders, charged_uc = found.get(OrderState.SETTLED, (0, 0))
    return OrderCounts(
        live={state: found.get(state, (0, 0))[0] for state in LIVE_STATES},
        settled=settled_orders,
        charged_uc=int(charged_uc or 0),
    )
