"""The shelf in the memory of a process: read once, then brought up to date by what has changed since the last look.

Three things change it. Offers, price rows and measured figures: each change has a number (`ShelfEdition`), and what is
above the last one seen is read again. Time: sales begin and end, so the moments at which a price changes wait in a
heap. Pools: what their agents report is looked at again once it is STOCK_AGE old; it is an estimate, and says so. They
are looked at in SHARES, one soon after the other, so that no reader waits for all of them.
"""

import hashlib
import heapq
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock

from django.db.models import QuerySet

from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.public import PoolView, get_pools
from lilong.platforms.supermarket.core.measuring.figures import Results
from lilong.platforms.supermarket.core.pricing import HOUR_MS, Shape, Unit, price_time
from lilong.platforms.supermarket.core.reputation import Reputation
from lilong.platforms.supermarket.core.search.index import Index, Listed
from lilong.platforms.supermarket.core.search.prices import PriceSpan, find_in_force, find_next_change
from lilong.platforms.supermarket.core.search.stock import NO_GANG, Lot, Stock, count_stocks
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.models import Offer, PriceRow, ShelfEdition
from lilong.platforms.supermarket.queries.measuring import read_results
from lilong.platforms.supermarket.queries.reputation import read_reputations

STOCK_AGE = timedelta(seconds=1)
SHARES = 10
HOUR_S = 3600
COLUMNS = (
    "id",
    "pool_id",
    "name",
    "unit",
    "accelerator",
    "cores_per_unit",
    "memory_mib_per_unit",
    "provider__organisation_id",
    "service_level__name",
)
PRICE_COLUMNS = ("offer_id", "id", "price_uc", "valid_from", "valid_until")


@dataclass(slots=True)
class _Share:
    """Some of the pools. looked_at: when they were last looked at; None: they have to be now."""

    pool_ids: list[str] = field(default_factory=list[str])
    looked_at: datetime | None = None


class ShelfReader:
    """One index and what it takes to keep it true; threads take turns. stock_age: how old pools' reports may be."""

    def __init__(self, *, stock_age: timedelta = STOCK_AGE) -> None:
        self._lock = Lock()
        self._stock_age = stock_age
        self._forget()

    def _forget(self) -> None:
        self._edition: tuple[str, int] | None = None
        self._reckoned = 0
        self._is_whole = False
        self._index = Index()
        self._prices: dict[str, tuple[PriceSpan, ...]] = {}
        self._changes: list[tuple[datetime, str]] = []
        self._results: dict[str, Results] = {}
        self._reputations: dict[str, Reputation] = {}
        self._sellers: dict[str, str] = {}
        self._lots: dict[str, set[Lot]] = {}
        self._marks: dict[str, str] = {}
        self._digests: dict[str, bytes] = {}
        self._shares = [_Share() for _ in range(SHARES)]
        self._share_of: dict[str, _Share] = {}

    @contextmanager
    def read(self, *, now: datetime) -> Generator[Index]:
        """Hand out the index as of `now`, to one thread at a time. One query when nothing has changed.

        What goes wrong half-way makes the next reader begin anew.
        """
        with self._lock:
            whole, self._is_whole = self._is_whole, False
            found = ShelfEdition.objects.values_list("id", "number", "reckoned").first()
            edition, reckoned = (found[:2], found[2]) if found else (None, 0)
            if not whole or self._index.is_sparse or not self._follows(edition):
                self._read_all(now)
            elif edition and edition != self._edition:
                self._read_changed(now, above=self._edition[1] if self._edition else 0)
            if reckoned != self._reckoned:
                self._read_reputations()
            self._edition, self._reckoned = edition, reckoned
            self._reprice(now)
            self._look_at_pools(now)
            self._is_whole = True
            yield self._index

    def _follows(self, edition: tuple[str, int] | None) -> bool:
        """Return whether an edition is a later one of the shelf that was read."""
        if edition is None or self._edition is None:
            return edition == self._edition
        return edition[0] == self._edition[0] and edition[1] >= self._edition[1]

    def _read_all(self, now: datetime) -> None:
        self._forget()
        rows = list(Offer.objects.on_shelf().order_by("id").values_list(*COLUMNS))
        self._read_prices(PriceRow.objects.filter(offer__withdrawn_at=None), now)
        self._results = read_results(offers=Offer.objects.on_shelf())
        self._name_sellers({row[7] for row in rows})
        self._index.fill([self._list(row, now) for row in rows])

    def _read_reputations(self) -> None:
        """Bring what is known of providers to the offers of their pools."""
        before, self._reputations = self._reputations, read_reputations()
        for pool_id in before.keys() | self._reputations.keys():
            if before.get(pool_id) != self._reputations.get(pool_id):
                self._index.put_reputation(pool_id, self._reputations.get(pool_id, {}))

    def _read_changed(self, now: datetime, *, above: int) -> None:
        changed = Offer.objects.filter(edition__gt=above)
        rows = list(changed.filter(withdrawn_at=None).values_list(*COLUMNS))
        self._read_prices(PriceRow.objects.filter(offer__in=changed), now)
        self._results |= read_results(offers=changed)
        self._name_sellers({row[7] for row in rows})
        for offer_id in changed.exclude(withdrawn_at=None).values_list("id", flat=True):
            self._index.drop(offer_id)
            self._prices.pop(offer_id, None)
            self._results.pop(offer_id, None)
        for row in rows:
            self._index.put(self._list(row, now))

    def _read_prices(self, prices: QuerySet[PriceRow], now: datetime) -> None:
        """Keep the rows that are not over, by offer, and note when their prices change next."""
        found: dict[str, list[PriceSpan]] = {}
        for offer_id, row_id, price_uc, starts, ends in prices.exclude(valid_until__lte=now).values_list(
            *PRICE_COLUMNS
        ):
            found.setdefault(offer_id, []).append(PriceSpan(row_id, price_uc, starts, ends))
        for offer_id, spans in found.items():
            self._prices[offer_id] = tuple(spans)
            self._await_change(offer_id, now)

    def _await_change(self, offer_id: str, now: datetime) -> None:
        moment = find_next_change(self._prices[offer_id], now=now)
        if moment:
            heapq.heappush(self._changes, (moment, offer_id))

    def _reprice(self, now: datetime) -> None:
        """Let every price change whose moment has come."""
        due: set[str] = set()
        while self._changes and self._changes[0][0] <= now:
            due.add(heapq.heappop(self._changes)[1])
        for offer_id in due & self._prices.keys():
            self._index.put_price(offer_id, *self._price(offer_id, now))
            self._await_change(offer_id, now)

    def _price(self, offer_id: str, now: datetime) -> tuple[int | None, datetime | None]:
        span = find_in_force(self._prices.get(offer_id, ()), now=now)
        if span is None:
            return None, None
        return price_time(price_uc=span.price_uc, units=1, duration_ms=HOUR_MS), span.valid_until

    def _name_sellers(self, organisation_ids: Collection[str]) -> None:
        unknown = [organisation_id for organisation_id in organisation_ids if organisation_id not in self._sellers]
        if unknown:
            self._sellers |= name_organisations(organisation_ids=unknown)

    def _list(self, row: tuple[str, str, str, str, str, int, int, str, str | None], now: datetime) -> Listed:
        offer_id, pool_id, name, unit, accelerator, cores, memory_mib, organisation_id, level = row
        lot = Lot(pool_id, accelerator, Shape(unit=Unit(unit), cores=cores, memory_mib=memory_mib))
        lots = self._lots.setdefault(pool_id, set())
        if lot not in lots:
            lots.add(lot)
            self._expect_anew(pool_id)
            self._find_share(pool_id).looked_at = None
        hour_uc, price_until = self._price(offer_id, now)
        return Listed(
            id=offer_id,
            lot=lot,
            name=name,
            provider=self._sellers[organisation_id],
            seller_id=organisation_id,
            level=level or "",
            hour_uc=hour_uc,
            price_until=price_until,
            results=self._results.get(offer_id, {}),
            reputation=self._reputations.get(pool_id, {}),
        )

    def _expect_anew(self, pool_id: str) -> None:
        """Let the next look count this pool, whether or not anything was heard of it."""
        self._marks.pop(pool_id, None)
        self._digests.pop(pool_id, None)

    def _find_share(self, pool_id: str) -> _Share:
        if pool_id not in self._share_of:
            share = self._share_of[pool_id] = self._shares[len(self._share_of) % SHARES]
            share.pool_ids.append(pool_id)
        return self._share_of[pool_id]

    def _look_at_pools(self, now: datetime) -> None:
        """Look at the shares whose time has come, and let those that were due together be due apart."""
        due = [
            share
            for share in self._shares
            if share.pool_ids and (share.looked_at is None or now - share.looked_at >= self._stock_age)
        ]
        if due:
            self._count_anew([pool_id for share in due for pool_id in share.pool_ids], now)
        for place, share in enumerate(due):
            share.looked_at = now - self._stock_age * place / len(due)

    def _count_anew(self, pool_ids: Sequence[str], now: datetime) -> None:
        """Count what pools have of which something was heard; of announced maintenance time itself tells."""
        for pool in get_pools(pool_ids=pool_ids, now=now, seen=self._marks).values():
            self._marks[pool.id], digest = pool.mark, _digest(pool)
            if self._digests.get(pool.id) == digest:
                continue
            for lot, stock in count_pool(pool=pool, lots=self._lots[pool.id], now=now).items():
                self._index.put_stock(lot, stock)
            self._digests[pool.id] = digest
            if pool.maintenance:
                self._expect_anew(pool.id)


def count_pool(*, pool: PoolView, lots: Collection[Lot], now: datetime) -> dict[Lot, Stock]:
    """Return what a pool has of each lot: nothing is known of a silent one, and nothing is free in one that drains."""
    if pool.inventory is None or pool.away:
        return dict.fromkeys(lots, Stock())
    stocks = count_stocks(inventory=pool.inventory, lots=lots)
    if pool.draining:
        return {lot: replace(stock, free=0, gang=NO_GANG, start=Starts.UNKNOWN) for lot, stock in stocks.items()}
    if pool.explain_delay(walltime_s=HOUR_S, now=now):
        return {lot: replace(stock, start=Starts.AFTER_MAINTENANCE) for lot, stock in stocks.items()}
    return stocks


def _digest(pool: PoolView) -> bytes:
    """Return a digest of all that a pool's stock depends on, but for the time."""
    told = pool.inventory.model_dump_json(exclude={"observed_at"}) if pool.inventory else ""
    return hashlib.sha256(f"{pool.away} {pool.draining} {told}".encode()).digest()


SHELF = ShelfReader()
"""The one of this process."""
