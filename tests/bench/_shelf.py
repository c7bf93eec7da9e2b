"""The hub's half of the bench of the shelf: a synthetic shelf, a member with vouchers, and what each search took."""

import statistics
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import httpx
from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.runs.models import Pool
from lilong.platforms.funding.public import VoucherRule
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.search.index import SORTS
from lilong.platforms.supermarket.models import Offer, PriceRow, Provider, ServiceLevel
from lilong.platforms.supermarket.services.shelf import turn_edition
from lilong.protocol.accelerators import list_accelerators
from tests.bench._agents import read_cpu_s
from tests.market import set_price
from tests.people import act, found_operator, found_organisation
from tests.pools import make_inventory, make_node
from tests.programmes import CREDIT, give_voucher
from tests.running_web import running_web

PROVIDERS, POOLS_EACH, NODES = 100, 4, 16
SEARCHES, WARM_UP = 2_000, 20
CHANGE_EACH, REPORT_EACH_S = 20, 1.0
SEED = 1
ACCELERATORS = ("", *(row.id for row in list_accelerators()))
VENDORS = sorted({row.vendor for row in list_accelerators()})


def measure(*, home: Path, offers: int) -> dict[str, float]:
    """Serve a shelf of so many offers and return what searches took, in milliseconds."""
    random, now = Random(SEED), utc_now()
    with transaction.atomic():
        fill_shelf(offers=offers, random=random)
        turn_edition()  # of a hub that had any change before: the very first one lets all be read again
    buyer = found_organisation(now=now)
    for number, rate_ppm in enumerate((200_000, 100_000, 300_000)):
        rule = VoucherRule(rate_ppm=rate_ppm, cap_uc=2 * CREDIT, expires_in_days=30)
        give_voucher(buyer.organisation_id, amount_uc=50 * CREDIT, rule=rule, name=f"p{number}", now=now)
    seller = found_operator(now=now)
    with running_web(home=home) as web:
        headers = {"Authorization": f"Bearer {buyer.token.secret}"}
        with httpx.Client(base_url=web.url, headers=headers, timeout=120, trust_env=False) as client:
            first = ask(client, {})[0]
            for _ in range(WARM_UP):
                ask(client, choose(random))
            pid, took, reported_s = web.list_pids()[0], [], time.monotonic()
            asked: dict[str, str] = {}
            cursor: str | None = None
            before_s = read_cpu_s(pid)
            for number in range(SEARCHES):
                if number % CHANGE_EACH == 0:
                    change_price(random, seller)
                if time.monotonic() - reported_s > REPORT_EACH_S:
                    reported_s = time.monotonic()
                    report(random)
                asked = choose(random) if cursor is None or number % 4 else {**asked, "cursor": cursor}
                ms, cursor = ask(client, asked)
                took.append(ms)
            cpu_s = read_cpu_s(pid) - before_s
        memory_mib = web.peak_memory_mib()
    return {
        "median": statistics.median(took),
        "p99": statistics.quantiles(took, n=100)[98],
        "worst": max(took),
        "cpu_ms": cpu_s * 1000 / SEARCHES,
        "first": first,
        "memory_mib": memory_mib,
    }


def ask(client: httpx.Client, asked: dict[str, str]) -> tuple[float, str | None]:
    """Return how long one search took, in milliseconds, and the cursor of its next page."""
    starts_s = time.perf_counter()
    response = client.get("/api/v1/shelf", params=asked)
    took_ms = (time.perf_counter() - starts_s) * 1000
    response.raise_for_status()
    return took_ms, response.json()["next_cursor"]


def choose(random: Random) -> dict[str, str]:
    """Return a search as somebody might ask: up to three conditions, in one of the orders."""
    conditions = (
        f"accelerator = {random.choice(ACCELERATORS[1:])}",
        f'vendor in ("{random.choice(VENDORS)}", "{random.choice(VENDORS)}")',
        f"price < {random.randrange(1, 40)}",
        f"memory >= {random.choice((4, 16, 64))}GiB",
        f"(free >= {random.randrange(1, 9)} or start = now)",
        f"gang >= {random.randrange(1, 64)}",
        "not jurisdiction = US",
        f"level = {random.choice(('gold', 'none'))}",
        f"name ~ lot-{random.randrange(100)}",
    )
    chosen = random.sample(conditions, k=random.randrange(4))
    return {"q": " ".join(chosen), "sort": random.choice(("", "-")) + random.choice(SORTS)}


def change_price(random: Random, seller: Actor) -> None:
    """Let one offer cost something else from now on, every other time as a sale of some seconds."""
    offer = Offer.objects.order_by("id")[random.randrange(1_000)]
    now = utc_now()
    until = now + timedelta(seconds=5) if random.random() < 0.5 else None
    set_price(seller, offer.id, random.randrange(10_000, 10_000_000), now=now, until=until)


def report(random: Random) -> None:
    """Let a fifth of the agents have reported; in a tenth of these pools jobs have begun or ended."""
    ids = sorted(Pool.objects.values_list("id", flat=True))
    heard_at = utc_now() + timedelta(hours=1)
    told = random.sample(ids, k=len(ids) // 5)
    with transaction.atomic():
        Pool.objects.filter(id__in=told).update(last_sync_at=heard_at)
        for pool in Pool.objects.filter(id__in=told[::10]):
            assert pool.inventory
            for node in pool.inventory["nodes"]:
                for kind in node["accelerators"]:
                    kind["free"] = random.randrange(kind["total"] + 1)
            pool.save(update_fields=["inventory"])


def fill_shelf(*, offers: int, random: Random) -> None:
    """Make providers, their pools with nodes of a few kinds, and that many offers with their prices."""
    now = utc_now()
    pools: list[tuple[Provider, Pool, tuple[str, ...]]] = []
    levels: dict[str, ServiceLevel] = {}
    for number in range(PROVIDERS):
        owner = act(found_organisation(now=now).token.secret, now=now)
        provider = Provider.objects.create(
            id=new_id("prv"),
            organisation_id=owner.organisation_id,
            fee_ppm=50_000,
            accruing_account_id=f"accruing {number}",
            available_account_id=f"available {number}",
            created_at=now,
        )
        levels[provider.id] = ServiceLevel.objects.create(
            id=new_id("slv"), provider=provider, name="gold", credit_ppm=100_000, created_at=now
        )
        for hall in range(POOLS_EACH):
            kinds = tuple(random.sample(ACCELERATORS, k=3))
            pools.append((provider, make_pool(provider, f"hall {hall}", kinds, random), kinds))
    rows = []
    for number in range(offers):
        provider, pool, kinds = random.choice(pools)
        kind = random.choice(kinds)
        rows.append(
            Offer(
                id=new_id("off"),
                provider=provider,
                pool_id=pool.id,
                name=f"lot-{number}",
                unit=Unit.ACCELERATOR if kind else Unit.CORE,
                accelerator=kind,
                cores_per_unit=random.choice((4, 8, 16)) if kind else 1,
                memory_mib_per_unit=1024 * random.choice((4, 16, 64, 128)),
                service_level=levels[provider.id] if random.random() < 0.5 else None,
                created_at=now,
            )
        )
    Offer.objects.bulk_create(rows, batch_size=2_000)
    prices = [
        PriceRow(
            id=new_id("prc"),
            offer=offer,
            price_uc=random.randrange(10_000, 10_000_000),
            valid_from=now,
            source="bench",
            added_by="bench",
            added_at=now,
        )
        for offer in rows
    ]
    PriceRow.objects.bulk_create(prices, batch_size=2_000)


def make_pool(provider: Provider, name: str, kinds: tuple[str, ...], random: Random) -> Pool:
    """Make a pool whose nodes have some of everything free."""
    now = utc_now()
    nodes = [
        make_node(
            name=f"n{number}", cores=128, memory_mib=2**20, **{kind or "none": random.randrange(9) for kind in kinds}
        )
        for number in range(NODES)
    ]
    return Pool.objects.create(
        id=new_id("pool"),
        organisation_id=provider.organisation_id,
        name=name,
        engine="slurm",
        created_at=now,
        last_sync_at=now + timedelta(hours=1),  # it outlives the bench without an agent
        inventory=make_inventory(nodes=nodes).model_dump(mode="json"),
    )
