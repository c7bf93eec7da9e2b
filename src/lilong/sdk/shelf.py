"""Providers, their offers and price rows."""

from collections.abc import Iterator
from datetime import date, datetime

from pydantic import Field

from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.quotes import Wait


class Provider(Answer):
    """An organisation that sells here, and the hub's fee on what it earns, in ppm."""

    id: str
    organisation_id: str
    name: str
    fee_ppm: int


class Offer(Answer):
    """An offer and its price now, in micro-credits per 1 000 unit-seconds; None: it cannot be bought now."""

    id: str
    provider_id: str
    pool_id: str
    name: str
    unit: str
    accelerator: str
    cores_per_unit: int
    memory_mib_per_unit: int
    service_level: str
    credit_ppm: int
    price_row_id: str | None = None
    price_uc: int | None = None
    price_until: datetime | None = None


class Measured(Answer):
    """A measured speed in millionths of its unit: the middle of `count` repetitions, the lowest and the highest."""

    metric: str
    unit: str
    micro: int
    lowest: int
    highest: int
    count: int
    drifted: bool
    measured_at: datetime
    run_id: str


class MeasuredOffer(Answer):
    """An offer with its newest figures."""

    id: str
    name: str
    accelerator: str
    hour_uc: int | None = None
    results: tuple[Measured, ...]


class Measurement(Answer):
    """One measurement: figures, or why nothing of it is believed; neither while checked_at is None."""

    id: str
    offer_id: str
    order_id: str
    run_id: str
    ordered_at: datetime
    checked_at: datetime | None = None
    refusal: str
    figures: tuple[Measured, ...]
    not_measured: dict[str, str]
    machine: dict[str, str]


class MeasuredPool(Answer):
    """What was measured of the offers of a pool, and the latest measurements, the newest first."""

    id: str
    name: str
    offers: tuple[MeasuredOffer, ...]
    history: tuple[Measurement, ...]


class Share(Answer):
    """`kept` of `count` facts with the 95 % interval of the share, whose bounds are None where there are too few."""

    share: str
    kept: int
    count: int
    lower_ppm: int | None = None
    upper_ppm: int | None = None


class MonthFacts(Answer):
    """What one month, named by its first day, adds to a share."""

    month: date
    kept: int
    count: int


class ShareFacts(Share):
    """A share with its facts by month, the newest first. parts: reasons of faults, or how disputes were decided."""

    months: tuple[MonthFacts, ...]
    parts: dict[str, int]


class PoolFault(Answer):
    """An order that ended by the provider's fault."""

    settled_at: datetime
    cause: str
    attempt_ids: tuple[str, ...]


class PoolReputation(Answer):
    """How a pool did what it sold. whole: all pools of its provider; faults: for its own people alone."""

    pool_id: str
    name: str
    provider: str
    window_days: int
    facts_min: int
    reckoned_at: datetime | None = None
    shares: tuple[ShareFacts, ...]
    whole: tuple[Share, ...]
    pools: int
    left_out: int
    faults: tuple[PoolFault, ...]


class FoundOffer(Answer):
    """An offer that a search found: what one unit costs an hour, and what of it one's own vouchers leave to pay.

    hour_uc, net_uc: None while it cannot be bought. total, free and the gang, the largest job that could start now, are
    None while its pool is silent. wait: of a job with one accelerator, or none; None where too little is known.
    """

    id: str
    pool_id: str
    name: str
    provider: str
    unit: str
    accelerator: str
    cores_per_unit: int
    memory_mib_per_unit: int
    service_level: str
    hour_uc: int | None = None
    net_uc: int | None = None
    price_until: datetime | None = None
    total: int | None = None
    free: int | None = None
    gang_nodes: int | None = None
    gang_units_per_node: int | None = None
    starts: str
    wait: Wait | None = None
    measured: tuple[Measured, ...] = ()
    work_prices: dict[str, int] = Field(default_factory=dict)
    reputation: tuple[Share, ...] = ()


class Ordered(Answer):
    """The order that buys a measurement."""

    order_id: str


class FacetValue(Answer):
    """A value, and how many of all offers found have it."""

    value: str
    count: int


class Facet(Answer):
    """The values of one field among all that was found, the most frequent first."""

    field: str
    values: tuple[FacetValue, ...]


class Found(Answer):
    """The first page of a search. search: as the hub understood it; total: of all pages."""

    search: str
    total: int
    items: tuple[FoundOffer, ...]
    facets: tuple[Facet, ...]
    next_cursor: str | None = None


class PriceRow(Answer):
    """One price row with its source; rows never change."""

    id: str
    offer_id: str
    price_uc: int
    valid_from: datetime
    valid_until: datetime | None = None
    source: str


class MonthRecord(Answer):
    """How good the estimates of a pool were in one month: how many began in the time estimated, of those judged.

    The errors and losses are None where none began.
    """

    month: date
    began: int
    given_up: int
    judged_p50: int
    within_p50: int
    judged_p90: int
    within_p90: int
    median_error_ms: int | None = None
    loss_p50_ms: int | None = None
    loss_p90_ms: int | None = None


class PoolRecord(Answer):
    """A pool, who runs it, and its months, the newest first."""

    pool_id: str
    name: str
    provider: str
    months: tuple[MonthRecord, ...]


class _StartRecords(Answer):
    pools: tuple[PoolRecord, ...]


class Providers(Noun):
    """Who sells here."""

    def register(self, *, organisation_id: str, fee_ppm: int) -> str:
        """Make an admitted organisation a provider and return its id; for operators."""
        return self._create(address("providers"), json={"organisation_id": organisation_id, "fee_ppm": fee_ppm})

    def list(self) -> Iterator[Provider]:
        """Yield who sells here, newest first."""
        return self._list(Provider, address("providers"))

    def add_service_level(self, provider_id: str, *, name: str, credit_ppm: int) -> str:
        """Add a service level that offers may name: the part of lost time's value that is credited, in ppm."""
        body = {"name": name, "credit_ppm": credit_ppm}
        return self._create(address("providers", provider_id, "service-levels"), json=body)


class Offers(Noun):
    """What is on the shelf, at which price."""

    def list(self, *, accelerator: str | None = None) -> Iterator[Offer]:
        """Yield what is on the shelf, newest first; accelerator: a registry id, empty for offers without one."""
        params = None if accelerator is None else {"accelerator": accelerator}
        return self._list(Offer, address("offers"), params=params)

    def search(self, search: str = "", *, sort: str = "price", limit: int = 50) -> Found:
        """Return what a search finds, as in `accelerator = h100 price < 3`: the first offers and the facets of all.

        sort: price, memory, cores, free, gang or a measured field; a - before it turns it round.
        """
        return self._get(Found, address("shelf"), params={"q": search, "sort": sort, "limit": limit})

    def list_start_records(self) -> tuple[PoolRecord, ...]:
        """Return how good the estimates of starts were in the last months, by pool."""
        return self._get(_StartRecords, address("start-records")).pools

    def create(
        self,
        *,
        provider_id: str,
        pool_id: str,
        name: str,
        unit: str,
        memory_mib_per_unit: int,
        cores_per_unit: int = 1,
        accelerator: str | None = None,
        service_level_id: str | None = None,
    ) -> str:
        """Put an offer on the shelf and return its id; it can be bought as soon as it has a price."""
        body = {
            "pool_id": pool_id,
            "name": name,
            "unit": unit,
            "memory_mib_per_unit": memory_mib_per_unit,
            "cores_per_unit": cores_per_unit,
            "accelerator": accelerator,
            "service_level_id": service_level_id,
        }
        return self._create(address("providers", provider_id, "offers"), json=body)

    def withdraw(self, offer_id: str) -> None:
        """Take an offer off the shelf for good; quotes that name it are honoured."""
        self._do("DELETE", address("offers", offer_id))

    def add_price(
        self,
        offer_id: str,
        *,
        price_uc: int,
        source: str,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> str:
        """Add a price row, in micro-credits per 1 000 unit-seconds, and return its id."""
        body: dict[str, object] = {"price_uc": price_uc, "source": source}
        if valid_from is not None:
            body["valid_from"] = valid_from.isoformat()
        if valid_until is not None:
            body["valid_until"] = valid_until.isoformat()
        return self._create(address("offers", offer_id, "prices"), json=body)

    def list_prices(self, offer_id: str) -> Iterator[PriceRow]:
        """Yield an offer's price rows, newest first."""
        return self._list(PriceRow, address("offers", offer_id, "prices"))

    def measure(self, offer_id: str) -> str:
        """Buy a measurement of one unit of an offer and return the order's id; for operators and the offer's seller."""
        return self._post(Ordered, address("offers", offer_id, "measurements")).order_id

    def get_measured(self, pool_id: str) -> MeasuredPool:
        """Return what was measured of the offers of a pool."""
        return self._get(MeasuredPool, address("pools", pool_id, "measurements"))

    def get_reputation(self, pool_id: str) -> PoolReputation:
        """Return how a pool did what it sold, by facts that were counted."""
        return self._get(PoolReputation, address("pools", pool_id, "reputation"))
