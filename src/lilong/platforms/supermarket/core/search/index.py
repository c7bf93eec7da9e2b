"""The shelf in memory: every offer a row of columns, and what a search, its order and its page make of them.

Pure and not safe for threads: whoever holds one lets one thread in at a time. It knows neither time nor database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from lilong.platforms.supermarket.core.measuring.figures import SPEEDS, WORK_PRICES, Measured, Results, count_columns
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.reputation import Reputation, Share, Tally, count_shares, name_band
from lilong.platforms.supermarket.core.search.columns import Numbers, Slots, Words, gather_slots, list_slots, take_out
from lilong.platforms.supermarket.core.search.fields import NONE, UNITS
from lilong.platforms.supermarket.core.search.language import Comparison, Every, Not, OneOf, Op, Search, Some
from lilong.platforms.supermarket.core.search.stock import Lot, Stock
from lilong.protocol.accelerators import list_accelerators

FACETS = ("accelerator", "vendor", "jurisdiction", "unit", "start", "provider", "level", "track_record")
SORTS = ("price", "memory", "cores", "free", "gang", *SPEEDS, *WORK_PRICES, *(share.value for share in Share))
_WORDS = ("unit", "accelerator", "vendor", "jurisdiction", "start", "provider", "level", "track_record")
_MAKERS = MappingProxyType({row.id: (row.vendor, row.country) for row in list_accelerators()})


@dataclass(frozen=True, slots=True)
class Listed:
    """One offer on the shelf. hour_uc: of one unit; None: it cannot be bought now. price_until: when a sale ends.

    seller_id: the organisation that sells it. results: what was measured of one unit; reputation: how its pool did what
    it sold. What was not measured or counted has no place in an order by it but the last.
    """

    id: str
    lot: Lot
    name: str
    provider: str
    seller_id: str
    level: str
    hour_uc: int | None
    price_until: datetime | None = None
    results: Results = field(default_factory=dict[str, Measured])
    reputation: Reputation = field(default_factory=dict[Share, Tally])


@dataclass(frozen=True, slots=True)
class Order:
    """How offers are put in a row: by one number, then by price, then by id."""

    by: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the numbers by which its last offer was placed, and its id."""

    values: tuple[int | None, ...]
    offer_id: str


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found. facets: how many of all found have a value, by field. next_place: None: the end."""

    offers: tuple[tuple[Listed, Stock], ...]
    total: int
    facets: Mapping[str, Mapping[str, int]]
    next_place: Place | None


class Index:
    """All offers on the shelf. An offer keeps its slot while it is listed; slots of withdrawn ones are used again."""

    def __init__(self) -> None:
        self._rows: dict[int, Listed] = {}
        self._slots: dict[str, int] = {}
        self._empty: list[int] = []
        self._listed: Slots = 0
        self._lots: dict[Lot, set[int]] = {}
        self._stocks: dict[Lot, Stock] = {}
        self._words = {name: Words() for name in _WORDS}
        self._numbers = {name: Numbers() for name in SORTS}

    def fill(self, offers: Sequence[Listed]) -> None:
        """Hold exactly these offers, of whose stock nothing is known yet. Cost: linear, far below that of `put`."""
        self._rows, self._empty, self._stocks = dict(enumerate(offers)), [], {}
        self._slots = {offer.id: slot for slot, offer in enumerate(offers)}
        self._listed = (1 << len(offers)) - 1
        self._lots = {}
        for slot, offer in enumerate(offers):
            self._lots.setdefault(offer.lot, set()).add(slot)
        words: dict[str, list[str]] = {name: [] for name in self._words}
        numbers: dict[str, list[int | None]] = {name: [] for name in self._numbers}
        for offer in offers:
            for name, word in _say(offer, Stock()).items():
                words[name].append(word)
            for name, number in _count(offer, Stock()).items():
                numbers[name].append(number)
        for name in self._words:
            self._words[name].fill(words[name])
        for name in self._numbers:
            self._numbers[name].fill(numbers[name])

    def put(self, offer: Listed) -> None:
        """List an offer, in place of what its id stood for."""
        stock = self._stocks.get(offer.lot, Stock())
        self.drop(offer.id)
        slot = self._empty.pop() if self._empty else len(self._rows)
        self._rows[slot], self._slots[offer.id] = offer, slot
        bit = 1 << slot
        self._listed |= bit
        self._lots.setdefault(offer.lot, set()).add(slot)
        for name, value in _say(offer, stock).items():
            self._words[name].put(bit, value)
        for name, number in _count(offer, stock).items():
            self._numbers[name].put(bit, number)

    def drop(self, offer_id: str) -> None:
        """Forget an offer; one that is not listed is forgotten already."""
        slot = self._slots.pop(offer_id, None)
        if slot is None:
            return
        offer, bit = self._rows.pop(slot), 1 << slot
        for name, value in _say(offer, self._stocks.get(offer.lot, Stock())).items():
            self._words[name].drop(bit, value)
        self._lots[offer.lot].remove(slot)
        for numbers in self._numbers.values():
            numbers.put(bit, None)
        self._listed ^= bit
        self._empty.append(slot)

    def put_price(self, offer_id: str, hour_uc: int | None, price_until: datetime | None) -> None:
        """Give a listed offer another price."""
        slot = self._slots[offer_id]
        offer = self._rows[slot] = replace(self._rows[slot], hour_uc=hour_uc, price_until=price_until)
        self._numbers["price"].put(1 << slot, hour_uc)
        if offer.results:
            for name, number in count_columns(hour_uc=hour_uc, results=offer.results).items():
                self._numbers[name].put(1 << slot, number)

    def put_reputation(self, pool_id: str, reputation: Reputation) -> None:
        """Say how a pool did what it sold, for all its offers at once."""
        found = [slot for lot, slots in self._lots.items() if lot.pool_id == pool_id for slot in slots]
        bands: dict[str, list[int]] = {}
        for slot in found:
            bands.setdefault(name_band(self._rows[slot].reputation), []).append(slot)
            self._rows[slot] = replace(self._rows[slot], reputation=reputation)
        for band, slots in bands.items():
            self._words["track_record"].drop(gather_slots(slots), band)
        if found:
            self._words["track_record"].put(gather_slots(found), name_band(reputation))
        for name, number in count_shares(reputation).items():
            self._numbers[name].put(gather_slots(found), number)

    def put_stock(self, lot: Lot, stock: Stock) -> None:
        """Say what a lot has now, for all its offers at once."""
        before = self._stocks.get(lot, Stock())
        self._stocks[lot] = stock
        slots = gather_slots(self._lots.get(lot, ()))
        if not slots or before == stock:
            return
        if before.start != stock.start:
            self._words["start"].drop(slots, before.start)
            self._words["start"].put(slots, stock.start)
        self._numbers["free"].put(slots, stock.free)
        self._numbers["gang"].put(slots, stock.gang.units if stock.gang else None)

    @property
    def is_sparse(self) -> bool:
        """Whether more slots are empty than not, so that filling it anew spares time and memory."""
        return len(self._empty) > max(len(self._rows), 1000)

    def list_known(self) -> Mapping[str, Sequence[str]]:
        """Return every value of the fields in which providers write what they like and whose values are few."""
        return {field: self._words[field].list_values() for field in ("provider", "level")}

    def get_many(self, offer_ids: Iterable[str]) -> dict[str, tuple[Listed, Stock]]:
        """Return those of these offers that are listed, by id."""
        slots = {offer_id: self._slots[offer_id] for offer_id in offer_ids if offer_id in self._slots}
        return {offer_id: self._show(slot) for offer_id, slot in slots.items()}

    def find_cheapest(self, *, count: int, but: str) -> tuple[Listed, ...]:
        """Return the cheapest `count` offers of each accelerator but one, without those that cannot be bought now."""
        buyable = self._numbers["price"].known
        return tuple(
            self._rows[slot]
            for accelerator in self._words["accelerator"].list_values()
            if accelerator not in {but, NONE}
            for slot in self._find_first(
                buyable & self._words["accelerator"].find(accelerator), Order("price", descending=False), count
            )
        )

    def search(self, search: Search, *, order: Order, after: Place | None, limit: int) -> Found:
        """Return the page of at most `limit` offers after a place, and the facets of all that is found."""
        found = self._find(search)
        rest = self._find_after(found, order, after) if after else found
        slots = self._find_first(rest, order, limit)
        shown = tuple(self._show(slot) for slot in slots)
        more = rest.bit_count() > len(slots)
        return Found(
            offers=shown,
            total=found.bit_count(),
            facets={name: self._words[name].count(found) for name in FACETS},
            next_place=self._place(shown[-1], order) if more and shown else None,
        )

    def _find(self, search: Search) -> Slots:
        match search:
            case Every():
                found = self._listed
                for part in search.parts:
                    found &= self._find(part)
                return found
            case Some():
                found = 0
                for part in search.parts:
                    found |= self._find(part)
                return found
            case Not():
                return take_out(self._listed, self._find(search.inner))
            case OneOf():
                return self._find(Some(tuple(Comparison(search.field, Op.EQ, each) for each in search.values)))
            case Comparison():
                return self._compare(search)

    def _compare(self, asked: Comparison) -> Slots:
        if isinstance(asked.value, int):
            return self._numbers[asked.field].compare(asked.op, asked.value)
        if asked.field == "name":
            equal = self._find_named(asked.op, asked.value.casefold())
        elif asked.op is Op.HAS:
            equal = self._words[asked.field].find_containing(asked.value)
        else:
            equal = self._words[asked.field].find(asked.value)
        return take_out(self._listed, equal) if asked.op is Op.NE else equal

    def _find_named(self, op: Op, folded: str) -> Slots:
        """Look through the names: nearly each is another, so that a set for each would be all memory."""
        if op is Op.HAS:
            return gather_slots([slot for slot, row in self._rows.items() if folded in row.name.casefold()])
        return gather_slots([slot for slot, row in self._rows.items() if folded == row.name.casefold()])

    def _keys(self, order: Order) -> tuple[tuple[str, bool], ...]:
        return ((order.by, order.descending), *(() if order.by == "price" else (("price", False),)))

    def _find_first(self, slots: Slots, order: Order, count: int) -> list[int]:
        """Return the first `count` of the slots, in order."""
        sure, tied = 0, slots
        for name, descending in self._keys(order):
            more, tied = self._numbers[name].find_first(tied, count=count - sure.bit_count(), descending=descending)
            sure |= more
        left = sorted(list_slots(tied), key=lambda slot: self._rows[slot].id)[: count - sure.bit_count()]
        return sorted([*list_slots(sure), *left], key=lambda slot: self._rank(slot, order))

    def _find_after(self, slots: Slots, order: Order, after: Place) -> Slots:
        later, same = 0, slots
        for (name, descending), value in zip(self._keys(order), after.values, strict=True):
            more, same = self._numbers[name].find_after(same, value, descending=descending)
            later |= more
        for slot in list_slots(same):
            if self._rows[slot].id > after.offer_id:
                later |= 1 << slot
        return later

    def _rank(self, slot: int, order: Order) -> tuple[tuple[tuple[bool, int], ...], str]:
        place = self._place(self._show(slot), order)
        keys = zip(self._keys(order), place.values, strict=True)
        return tuple(
            (value is None, -(value or 0) if down else value or 0) for (_, down), value in keys
        ), place.offer_id

    def _place(self, shown: tuple[Listed, Stock], order: Order) -> Place:
        offer, stock = shown
        counts = _count(offer, stock)
        return Place(values=tuple(counts[name] for name, _ in self._keys(order)), offer_id=offer.id)

    def _show(self, slot: int) -> tuple[Listed, Stock]:
        offer = self._rows[slot]
        return offer, self._stocks.get(offer.lot, Stock())


def _say(offer: Listed, stock: Stock) -> dict[str, str]:
    """Return the texts of an offer by column."""
    vendor, country = _MAKERS.get(offer.lot.accelerator, (NONE, NONE))
    return {
        "unit": UNITS[Unit(offer.lot.shape.unit)],
        "accelerator": offer.lot.accelerator or NONE,
        "vendor": vendor,
        "jurisdiction": country,
        "start": stock.start.value,
        "provider": offer.provider,
        "level": offer.level or NONE,
        "track_record": name_band(offer.reputation),
    }


def _count(offer: Listed, stock: Stock) -> dict[str, int | None]:
    """Return the numbers of an offer by column."""
    return {
        "price": offer.hour_uc,
        "memory": offer.lot.shape.memory_mib,
        "cores": offer.lot.shape.cores,
        "free": stock.free,
        "gang": stock.gang.units if stock.gang else None,
        **count_columns(hour_uc=offer.hour_uc, results=offer.results),
        **count_shares(offer.reputation),
    }
