"""What anybody may know of the market as a whole: what it has, what is free, who waits, what was settled."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from lilong.foundation.runs.public import get_pools
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Offer, Order, Turnover


@dataclass(frozen=True, slots=True)
class Capacity:
    """Accelerators of one kind in the pools whose offers are on the shelf; empty accelerator: CPU cores.

    free: in pools that take work now. queued: orders that are paid for and have not begun.
    """

    accelerator: str
    total: int
    free: int
    queued: int


@dataclass(frozen=True, slots=True)
class MarketPulse:
    """The market at one moment. settled_uc: charges of all settled orders, after corrections."""

    capacity: tuple[Capacity, ...]
    settled_orders: int
    settled_uc: int


def get_market_pulse(*, now: datetime) -> MarketPulse:
    """Return the state of the market, public. Four queries. Cost: linear in pools on the shelf and running orders."""
    sold: dict[str, set[str]] = {}
    for pool_id, accelerator in Offer.objects.on_shelf().values_list("pool_id", "accelerator").distinct():
        sold.setdefault(pool_id, set()).add(accelerator)
    total, free = _count_units(sold, now=now)
    queued = _count_queued()
    settled = Turnover.objects.aggregate(orders=Sum("orders"), due_uc=Sum("due_uc"))
    names = {accelerator for accelerators in sold.values() for accelerator in accelerators}
    return MarketPulse(
        capacity=tuple(
            Capacity(accelerator=name, total=total[name], free=free[name], queued=queued[name])
            for name in sorted(names, key=lambda name: (name == "", -total[name], name))
        ),
        settled_orders=int(settled["orders"] or 0),
        settled_uc=int(settled["due_uc"] or 0),
    )


def _count_units(sold: dict[str, set[str]], *, now: datetime) -> tuple[Counter[str], Counter[str]]:
    """Return how many units of what is sold there are, and how many of them could begin work now."""
    total: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for pool in get_pools(pool_ids=list(sold), now=now).values():
        is_closed = pool.maintenance is not None and pool.maintenance.starts_at <= now
        takes_work = not (pool.away or pool.draining or is_closed)
        for node in pool.inventory.nodes if pool.inventory else ():
            usable = takes_work and node.healthy
            kinds = {kind.accelerator: (kind.total, kind.free) for kind in node.accelerators}
            kinds[""] = (node.cores_total, node.cores_free)
            for name in sold[pool.id] & set(kinds):
                total[name] += kinds[name][0]
                free[name] += kinds[name][1] if usable else 0
    return total, free


def _count_queued() -> Counter[str]:
    waiting = Order.objects.running().filter(state__in=(OrderState.HELD, OrderState.PLACED))
    queued: Counter[str] = Counter()
    for accelerator in waiting.values_list("spec__resources__accelerator", flat=True):
        queued[accelerator or ""] += 1
    return queued
