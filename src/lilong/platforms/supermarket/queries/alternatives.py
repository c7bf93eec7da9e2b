"""Other accelerators on which the job of a quote could run, where that costs less an hour or begins sooner."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.money import PPM
from lilong.foundation.runs.public import PoolView, get_pools
from lilong.platforms.supermarket.core.pricing import HOUR_MS, count_units, price_time
from lilong.platforms.supermarket.core.promise import Promise
from lilong.platforms.supermarket.core.search.index import Listed
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.queries.candidates import estimate_pool_start
from lilong.platforms.supermarket.queries.shelf_index import SHELF
from lilong.protocol.spec import RunSpec

ALTERNATIVES_MAX = 3
OFFERS_EACH = 2


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same job on so many of another accelerator. cheaper_ppm: of the price an hour; below 0: it is dearer."""

    accelerator: str
    accelerators: int
    name: str
    provider: str
    hour_uc: int
    cheaper_ppm: int
    starts: Starts

    @property
    def dearer_ppm(self) -> int:
        """By how much more of the price an hour."""
        return -self.cheaper_ppm


def list_alternatives(*, spec: RunSpec, promise: Promise, now: datetime) -> tuple[Alternative, ...]:
    """Return what beats the first offer of a quote in price or start, the cheapest first.

    Only accelerators differ: as many of them, the same cores, memory and nodes. Whether the program runs there and how
    long it takes nobody has measured, so nothing is said of the whole cost. Prices are before vouchers. One query
    and the shelf's own; none for a job without accelerators.
    """
    if not spec.resources.accelerator:
        return ()
    first = promise.offers[0]
    first_uc = price_time(price_uc=first.price_uc, units=first.units, duration_ms=HOUR_MS)
    with SHELF.read(now=now) as index:
        listed = index.find_cheapest(count=OFFERS_EACH, but=spec.resources.accelerator)
    priced = sorted(((_price(offer, spec), offer) for offer in listed), key=lambda pair: (pair[0], pair[1].id))
    pools = get_pools(pool_ids=[offer.lot.pool_id for offer in listed], now=now)
    found: dict[str, Alternative] = {}
    for hour_uc, offer in priced:
        accelerator, pool = offer.lot.accelerator, pools[offer.lot.pool_id]
        there = _move(spec, accelerator)
        starts = _estimate(pool, there, now=now)
        sooner = starts is Starts.NOW and first.starts is not Starts.NOW
        if accelerator in found or len(found) == ALTERNATIVES_MAX or not (hour_uc < first_uc or sooner):
            continue
        if pool.draining or pool.find_problems(spec=there):
            continue
        found[accelerator] = Alternative(
            accelerator=accelerator,
            accelerators=spec.resources.accelerators * spec.nodes,
            name=offer.name,
            provider=offer.provider,
            hour_uc=hour_uc,
            cheaper_ppm=(first_uc - hour_uc) * PPM // first_uc,
            starts=starts,
        )
    return tuple(found.values())


def _move(spec: RunSpec, accelerator: str) -> RunSpec:
    return spec.model_copy(update={"resources": spec.resources.model_copy(update={"accelerator": accelerator})})


def _price(offer: Listed, spec: RunSpec) -> int:
    wanted = spec.resources
    units = count_units(
        shape=offer.lot.shape,
        accelerators=wanted.accelerators,
        cores=wanted.cores,
        memory_mib=wanted.memory_mib,
        nodes=spec.nodes,
    )
    return (offer.hour_uc or 0) * units


def _estimate(pool: PoolView, spec: RunSpec, *, now: datetime) -> Starts:
    waits = pool.explain_delay(walltime_s=spec.walltime_s, now=now)
    return estimate_pool_start(pool=pool, spec=spec, delay=waits)
