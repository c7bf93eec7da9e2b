"""Reads of the shelf for people who choose: what a search finds, in which order, and what it costs them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import LimitInvalid
from lilong.common.errors import InputInvalid, NotFound
from lilong.common.paging import PAGE_LIMIT_MAX, CursorInvalid, decode_cursor, encode_cursor
from lilong.common.sentences import join_sentences, say
from lilong.foundation.runs.public import StartEstimate
from lilong.platforms.funding.public.orders import list_usable, split_dues
from lilong.platforms.supermarket.core.measuring.figures import WORK_PRICES, Measured, Results, price_work
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.reputation import Reputation
from lilong.platforms.supermarket.core.search.fields import say_nearest
from lilong.platforms.supermarket.core.search.index import SORTS, Found, Listed, Order, Place
from lilong.platforms.supermarket.core.search.language import Comparison, Op, Search, parse
from lilong.platforms.supermarket.core.search.stock import Stock
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.queries.candidates import build_origin
from lilong.platforms.supermarket.queries.measuring import sort_results
from lilong.platforms.supermarket.queries.shelf_index import SHELF
from lilong.platforms.supermarket.queries.starts import find_outlooks

SORT_DEFAULT = "price"
COMPARED_MAX = 4


class SortUnknown(InputInvalid):
    """Offers cannot be put in this order."""

    code = "shelf.sort_unknown"
    title = "Offers cannot be put in this order"
    next_step = f"Sort by {', '.join(SORTS)}; a - before it turns it round."


class ComparisonInvalid(InputInvalid):
    """No offers are named, or more than stand side by side."""

    code = "shelf.comparison_invalid"
    title = "So many offers cannot be compared"
    next_step = f"Choose one to {COMPARED_MAX} offers on the shelf."


@dataclass(frozen=True, slots=True)
class ShelfOffer:
    """One offer as people choose from it. hour_uc: of one unit; net_uc: what of it vouchers leave to pay.

    hour_uc and net_uc: None while it cannot be bought, net_uc also where nobody's vouchers were asked for.
    price_until: when a sale ends. total, free, gang_nodes and
    gang_units_per_node: None while its pool is not heard of; the gang is the largest job that could start now.
    wait: of a job with one accelerator, or none where none is sold; None where that is not known or was not asked for.
    reputation: of its pool.
    """

    id: str
    pool_id: str
    name: str
    provider: str
    unit: Unit
    accelerator: str
    cores_per_unit: int
    memory_mib_per_unit: int
    service_level: str
    hour_uc: int | None
    net_uc: int | None
    price_until: datetime | None
    total: int | None
    free: int | None
    gang_nodes: int | None
    gang_units_per_node: int | None
    starts: Starts
    wait: StartEstimate | None
    results: Results
    reputation: Reputation

    @property
    def measured(self) -> tuple[Measured, ...]:
        """What was measured of one unit, in the order of METRICS."""
        return sort_results(results=self.results)

    @property
    def headlines(self) -> tuple[Measured, ...]:
        """The measured speeds that a list has room for: of one precision, the lowest that was measured, and tokens."""
        precision = next((code for code in ("gemm_bf16", "gemm_fp16", "gemm_fp32") if code in self.results), "")
        return tuple(self.results[code] for code in (precision, "tokens") if code in self.results)

    @property
    def work_prices(self) -> dict[str, int]:
        """What measured work costs, by the columns of WORK_PRICES that are known."""
        prices = {
            column: price_work(column=column, hour_uc=self.hour_uc, results=self.results) for column in WORK_PRICES
        }
        return {column: price_uc for column, price_uc in prices.items() if price_uc is not None}

    @property
    def gang_units(self) -> int | None:
        """All units of the gang."""
        return None if self.gang_nodes is None else self.gang_nodes * (self.gang_units_per_node or 0)


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value that offers have, and how many of those found have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of one field among what was found, the most frequent first."""

    field: str
    values: tuple[FacetValue, ...]


@dataclass(frozen=True, slots=True)
class ShelfPage:
    """One page of a search. search: as the hub understood it; total: of all pages."""

    search: Search
    total: int
    items: tuple[ShelfOffer, ...]
    facets: tuple[Facet, ...]
    next_cursor: str | None


def search_shelf(
    *, organisation_id: str, text: str, sort: str, cursor: str | None, limit: int, now: datetime
) -> ShelfPage:
    """Return what a search finds, with prices as vouchers leave them for this organisation.

    sort: one of SORTS, a - before it for the other way round. Raises SearchInvalid, SortUnknown, CursorInvalid or
    LimitInvalid. Vouchers are netted on the page that is shown: they do not place or find an offer. Two queries, those
    of the vouchers, and two more when the pools' reports are looked at again.
    """
    if not 1 <= limit <= PAGE_LIMIT_MAX:
        raise LimitInvalid(facts={"limit": PAGE_LIMIT_MAX, "asked": limit})
    order = _read_sort(sort)
    after = _read_cursor(cursor, order) if cursor else None
    with SHELF.read(now=now) as index:
        search = parse(text, known=index.list_known())
        found = index.search(search, order=order, after=after, limit=limit)
    net_uc = _net(organisation_id, (offer for offer, _ in found.offers), now=now)
    return ShelfPage(
        search=search,
        total=found.total,
        items=tuple(_view_offers(found.offers, net_uc=net_uc, now=now)),
        facets=_view_facets(found),
        next_cursor=_write_cursor(found.next_place, order) if found.next_place else None,
    )


def compare_offers(*, organisation_id: str, offer_ids: Sequence[str], now: datetime) -> tuple[ShelfOffer, ...]:
    """Return up to COMPARED_MAX offers as they were asked for; raises ComparisonInvalid, or NotFound without one."""
    asked = list(dict.fromkeys(offer_ids))
    if not 1 <= len(asked) <= COMPARED_MAX:
        raise ComparisonInvalid(facts={"limit": COMPARED_MAX, "asked": len(asked)})
    with SHELF.read(now=now) as index:
        found = index.get_many(asked)
    missing = [offer_id[:64] for offer_id in asked if offer_id not in found]
    if missing:
        raise NotFound(detail=say("There is no offer {offer_ids} on the shelf.", offer_ids=", ".join(missing)))
    net_uc = _net(organisation_id, (found[offer_id][0] for offer_id in asked), now=now)
    return tuple(_view_offers([found[offer_id] for offer_id in asked], net_uc=net_uc, now=now))


def list_on_sale(*, accelerator: str, limit: int, now: datetime) -> tuple[ShelfOffer, ...]:
    """Return the offers of an accelerator, by its id, as they are before vouchers: the cheapest first."""
    asked = Comparison("accelerator", Op.EQ, accelerator)
    with SHELF.read(now=now) as index:
        found = index.search(asked, order=_read_sort(SORT_DEFAULT), after=None, limit=limit)
    return tuple(view_offer(offer=offer, stock=stock, net_uc=None, wait=None) for offer, stock in found.offers)


def _net(organisation_id: str, offers: Iterable[Listed], *, now: datetime) -> dict[str, int]:
    """Return what an organisation's vouchers, as they stand, leave of an hour of one unit, by offer with a price."""
    listed = list(offers)
    priced = {offer.id: offer.hour_uc for offer in listed if offer.hour_uc is not None}
    if not priced:
        return {}
    origins = [
        build_origin(offer_id=offer.id, accelerator=offer.lot.accelerator, seller_id=offer.seller_id)
        for offer in listed
    ]
    usable = list_usable(organisation_id=organisation_id, offers=origins, now=now).usable
    shares = [chosen.share for chosen in usable]
    return {
        offer_id: split_dues(dues_uc={offer_id: hour_uc}, shares=shares).wallet_uc
        for offer_id, hour_uc in priced.items()
    }


def _read_sort(sort: str) -> Order:
    by = sort.removeprefix("-")
    if by not in SORTS:
        unknown = say("{sort!r} is no order.", sort=sort[:40])
        raise SortUnknown(detail=join_sentences(unknown, say_nearest(by, SORTS)))
    return Order(by=by, descending=sort.startswith("-"))


def _write_cursor(place: Place, order: Order) -> str:
    numbers = ("-" if value is None else str(value) for value in place.values)
    return encode_cursor(" ".join((_name(order), *numbers, place.offer_id)))


def _read_cursor(cursor: str, order: Order) -> Place:
    name, *numbers = decode_cursor(cursor).split(" ")
    offer_id = numbers.pop() if numbers else ""
    if name != _name(order) or len(numbers) != (1 if order.by == "price" else 2):
        raise CursorInvalid(detail=say("It was made for another order of the shelf."))
    if not all(re.fullmatch(r"-|[0-9]{1,19}", number) for number in numbers):
        raise CursorInvalid(detail=say("{cursor!r} is not a cursor.", cursor=cursor[:80]))
    return Place(values=tuple(None if number == "-" else int(number) for number in numbers), offer_id=offer_id)


def _name(order: Order) -> str:
    return f"-{order.by}" if order.descending else order.by


def _view_offers(
    listed: Sequence[tuple[Listed, Stock]], *, net_uc: Mapping[str, int], now: datetime
) -> Iterator[ShelfOffer]:
    outlooks = find_outlooks(pool_ids=[offer.lot.pool_id for offer, _ in listed], now=now)
    for offer, stock in listed:
        wait = outlooks.get((offer.lot.pool_id, bool(offer.lot.accelerator)))
        is_open = stock.start is not Starts.AFTER_MAINTENANCE
        yield view_offer(offer=offer, stock=stock, net_uc=net_uc.get(offer.id), wait=wait if is_open else None)


def view_offer(*, offer: Listed, stock: Stock, net_uc: int | None, wait: StartEstimate | None) -> ShelfOffer:
    """Return a row of the index as people see it."""
    return ShelfOffer(
        id=offer.id,
        pool_id=offer.lot.pool_id,
        name=offer.name,
        provider=offer.provider,
        unit=offer.lot.shape.unit,
        accelerator=offer.lot.accelerator,
        cores_per_unit=offer.lot.shape.cores,
        memory_mib_per_unit=offer.lot.shape.memory_mib,
        service_level=offer.level,
        hour_uc=offer.hour_uc,
        net_uc=net_uc,
        price_until=offer.price_until,
        total=stock.total,
        free=stock.free,
        gang_nodes=stock.gang.nodes if stock.gang else None,
        gang_units_per_node=stock.gang.units_per_node if stock.gang else None,
        starts=stock.start,
        wait=wait,
        results=offer.results,
        reputation=offer.reputation,
    )


def _view_facets(found: Found) -> tuple[Facet, ...]:
    return tuple(
        Facet(
            field=field,
            values=tuple(
                FacetValue(value=value, count=count)
                for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            ),
        )
        for field, counts in found.facets.items()
    )
