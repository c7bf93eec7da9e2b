"""The hub's half of the bench of optimisers: the catalogue on its shelf, searched and quoted as for a member."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.models import Pool
from lilong.platforms.supermarket.core.pricing import HOUR_MS, UNIT_MS_PER_PRICE, Unit, price_time
from lilong.platforms.supermarket.models import Offer, PriceRow, Provider
from lilong.platforms.supermarket.public import quote
from lilong.platforms.supermarket.queries.candidates import NoOffer
from lilong.platforms.supermarket.queries.search import search_shelf
from lilong.platforms.supermarket.services.orders import cancel_order
from tests.bench._catalogue import CLOUDS, NODES_MAX, SIZES, Offering, Request, name_accelerators
from tests.people import act, found_organisation
from tests.pools import make_inventory, make_node, make_spec

NODE_CORES, NODE_MEMORY_MIB = 1024, 16 * 2**20
GIB_MIB = 1024


def measure(*, offers: Sequence[Offering], requests: Sequence[Request], quotes: int) -> dict[str, Any]:
    """Return what the shelf's first offer costs for each request, what the first `quotes` quotes choose, and medians.

    A quote is of one accelerator at any provider; other requests are none. None: nothing is found.
    """
    with transaction.atomic():
        sellers, places = fill_shelf(offers)
    buyer = act(found_organisation(now=utc_now()).token.secret, now=utc_now())
    first_ms = search(buyer, requests[0], sellers, places)[1]
    began_s = time.process_time()
    searched = [search(buyer, request, sellers, places) for request in requests]
    cpu_ms = (time.process_time() - began_s) * 1000 / len(searched)
    asked = [number for number, request in enumerate(requests) if len(request.sky_names) == 1 and not request.cloud][
        :quotes
    ]
    quoted = [ask_quote(buyer, requests[number], places) for number in asked]
    return {
        "picks": [picked for picked, _ in searched],
        "first_ms": first_ms,
        "median_ms": statistics.median(took_ms for _, took_ms in searched),
        "cpu_ms": cpu_ms,
        "quoted": dict(zip(map(str, asked), (picked for picked, _ in quoted), strict=True)),
        "quote_ms": statistics.median(took_ms for _, took_ms in quoted),
    }


def search(
    buyer: Actor, request: Request, sellers: dict[str, str], places: dict[str, str]
) -> tuple[dict[str, Any] | None, float]:
    """Return what the first offer of a search costs for an hour, and the milliseconds that it took."""
    text = write_search(request, sellers)
    starts_s = time.perf_counter()
    page = search_shelf(
        organisation_id=buyer.organisation_id, text=text, sort="price", cursor=None, limit=1, now=utc_now()
    )
    took_ms = (time.perf_counter() - starts_s) * 1000
    if not page.items:
        return None, took_ms
    (first,) = page.items
    return {"cost_uc": (first.hour_uc or 0) * request.count * request.nodes, "place": places[first.id]}, took_ms


def write_search(request: Request, sellers: dict[str, str]) -> str:
    """Return the request as a member would write it, with SkyPilot's names of the accelerators."""
    names = ", ".join(f'"{name}"' for name in request.sky_names)
    parts = [f"accelerator in ({names})"]
    if request.cores:
        parts.append(f"cores >= {request.cores}")
    if request.memory_gib:
        parts.append(f"memory >= {request.memory_gib}GiB")
    if request.cloud:
        parts.append(f'provider = "{sellers[request.cloud]}"')
    return " ".join(parts)


def ask_quote(buyer: Actor, request: Request, places: dict[str, str]) -> tuple[dict[str, Any] | None, float]:
    """Return what the first choice of a signed quote costs for an hour and its units, and the milliseconds it took."""
    accelerator = name_accelerators()[request.sky_names[0]]
    spec = make_spec(
        resources={
            "accelerator": accelerator,
            "accelerators": request.count,
            "cores": max(request.cores * request.count, 1),
            "memory_mib": max(request.memory_gib * request.count, 1) * GIB_MIB,
        },
        nodes=request.nodes,
        walltime_s=3600,
    )
    starts_s = time.perf_counter()
    try:
        view = quote(actor=buyer, spec=spec, max_cost_uc=None, request_name=None, now=utc_now())
    except NoOffer:
        return None, (time.perf_counter() - starts_s) * 1000
    took_ms = (time.perf_counter() - starts_s) * 1000
    first = view.promise.offers[0]
    cancel_order(actor=buyer, order_id=view.order_id, now=utc_now())
    cost_uc = price_time(price_uc=first.price_uc, units=first.units, duration_ms=HOUR_MS)
    return {"cost_uc": cost_uc, "place": places[first.offer_id], "units": first.units}, took_ms


def fill_shelf(offers: Sequence[Offering]) -> tuple[dict[str, str], dict[str, str]]:
    """Put the catalogue on the shelf; return the sellers' names by cloud, and where each offer is by its id."""
    now = utc_now()
    providers = {cloud: _make_provider(number) for number, cloud in enumerate(CLOUDS)}
    regions = sorted({(offer.cloud, offer.region) for offer in offers})
    pools = {region: _make_pool(providers[cloud], region) for cloud, region in regions}
    rows = [
        Offer(
            id=new_id("off"),
            provider=providers[offer.cloud],
            pool_id=pools[offer.region],
            name=f"{offer.region} {offer.accelerator}-{offer.cores}c-{offer.memory_gib}g",
            unit=Unit.ACCELERATOR,
            accelerator=offer.accelerator,
            cores_per_unit=offer.cores,
            memory_mib_per_unit=offer.memory_gib * GIB_MIB,
            created_at=now,
        )
        for offer in offers
    ]
    Offer.objects.bulk_create(rows, batch_size=2_000)
    prices = [
        PriceRow(
            id=new_id("prc"),
            offer=row,
            price_uc=offer.hour_uc * UNIT_MS_PER_PRICE // HOUR_MS,
            valid_from=now,
            source="bench",
            added_by="bench",
            added_at=now,
        )
        for row, offer in zip(rows, offers, strict=True)
    ]
    PriceRow.objects.bulk_create(prices, batch_size=2_000)
    names = name_organisations(organisation_ids=[provider.organisation_id for provider in providers.values()])
    sellers = {cloud: names[provider.organisation_id] for cloud, provider in providers.items()}
    return sellers, {row.id: row.name for row in rows}


def _make_provider(number: int) -> Provider:
    now = utc_now()
    return Provider.objects.create(
        id=new_id("prv"),
        organisation_id=act(found_organisation(now=now).token.secret, now=now).organisation_id,
        fee_ppm=50_000,
        accruing_account_id=f"accruing {number}",
        available_account_id=f"available {number}",
        created_at=now,
    )


def _make_pool(provider: Provider, region: str) -> str:
    """Make a pool that has room for every request: the other side knows prices and no stock."""
    now = utc_now()
    kinds = dict.fromkeys(name_accelerators().values(), SIZES[-1])
    nodes = [
        make_node(name=f"n{number}", cores=NODE_CORES, memory_mib=NODE_MEMORY_MIB, **kinds)
        for number in range(NODES_MAX)
    ]
    pool = Pool.objects.create(
        id=new_id("pool"),
        organisation_id=provider.organisation_id,
        name=region,
        engine="slurm",
        created_at=now,
        last_sync_at=now.replace(year=now.year + 1),  # it outlives the bench without an agent
        inventory=make_inventory(nodes=nodes).model_dump(mode="json"),
    )
    return pool.id
