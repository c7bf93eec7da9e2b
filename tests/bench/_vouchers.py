"""The measured half of the bench of vouchers; imported once Django is set up."""

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from django.db import connection
from django.db.models import Sum

from lilong.common.errors import LilongError
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.ledger.public import get_balances
from lilong.platforms.funding.models import Programme, Voucher, VoucherUse
from lilong.platforms.funding.public import VoucherRule, issue_voucher
from tests.crowd import call_at_once
from tests.market import CREDIT, PRICE_UC, open_stall, pay_in, wallet_of
from tests.people import act, found_operator, found_organisation_today, make_member_token
from tests.pools import make_spec
from tests.programmes import make_programme
from tests.running_web import running_web

WALLTIME_S = 600
SPEC = make_spec(walltime_s=WALLTIME_S).model_dump(mode="json")
RATE_PPM = 300_000
PART_UC = PRICE_UC * WALLTIME_S // 1000 * RATE_PPM // 1_000_000
"""What a voucher carries of one order, unless a cap says less."""
SERVED = 0.8
"""For which part of the organisations the budget of the year reaches."""
WANTED = 0.6
"""Which part of what all want a cap of the year allows."""
LOOK_EACH_S = 0.05


@dataclass
class Watch:
    """What was looked at while people bought. above: what exceeded a limit, in words."""

    looks: int = 0
    above: str = ""


def measure(ways: str, *, home: Path, buyers: int, orders_each: int) -> dict[str, Any]:
    """Let all buy at once, each one order after the other. ways: `organisations`, or `people` of one organisation."""
    open_stall(now=utc_now())
    wanted_uc = PART_UC * orders_each * (1 if ways == "organisations" else buyers)
    year_cap_uc = int(wanted_uc * WANTED)
    rule = VoucherRule(rate_ppm=RATE_PPM, cap_uc=CREDIT, expires_in_days=30, year_cap_uc=year_cap_uc)
    if ways == "organisations":
        tokens = [found_organisation_today().token.secret for _ in range(buyers)]
        owners = tokens
        served = int(buyers * SERVED)
    else:
        owners = [found_organisation_today().token.secret]
        owner = act(owners[0], now=utc_now())
        tokens = [*owners, *(make_member_token(owner, Role.MEMBER, now=utc_now()) for _ in range(buyers - 1))]
        served = 1
    for token in owners:
        pay_in(wallet_of(act(token, now=utc_now())), 1_000_000 * CREDIT)
    budget_uc = served * wanted_uc
    programme = make_programme(
        fund_uc=2 * len(owners) * wanted_uc, rule=replace(rule, year_budget_uc=budget_uc), now=utc_now()
    )
    refused = issue_at_once(programme, owners, amount_uc=wanted_uc)
    with (
        running_web(home=home) as web,
        watching(year_cap_uc, budget_uc) as watch,
        ThreadPoolExecutor(buyers) as threads,
    ):
        started_s = time.perf_counter()
        found = [threads.submit(buy, web.url, token, orders_each) for token in tokens]
        times = [each for one in found for each in one.result()]
        took_s = time.perf_counter() - started_s
    uses = VoucherUse.objects.values("voucher__organisation_id").annotate(uc=Sum("amount_uc"))
    held_uc = {row["voucher__organisation_id"]: row["uc"] for row in uses}
    assert watch.above == "", watch.above
    assert len(times) == buyers * orders_each
    assert Voucher.objects.count() == served
    assert refused == len(owners) - served
    assert held_uc == dict.fromkeys(Voucher.objects.values_list("organisation_id", flat=True), year_cap_uc)
    quote_s, place_s = zip(*times, strict=True)
    told = [
        f"{served} of {len(owners)} vouchers issued at once, as far as the budget of the year reaches, and no fewer",
        f"{len(held_uc)} times {year_cap_uc:,} uc held of {wanted_uc:,} uc wanted: the cap of the year, exactly",
        f"held and used were looked at {watch.looks:,} times meanwhile, and never above cap, worth or budget",
    ]
    return {
        "title": f"{buyers} organisations, one programme" if served > 1 else f"{buyers} people, one voucher",
        "orders_per_s": len(times) / took_s,
        **summarise("quote", quote_s),
        **summarise("place", place_s),
        "looks": watch.looks,
        "told": told,
    }


def summarise(what: str, times_s: tuple[float, ...]) -> dict[str, float]:
    """Return the median and the 99th percentile."""
    return {f"{what}_p50_s": statistics.median(times_s), f"{what}_p99_s": statistics.quantiles(times_s, n=100)[98]}


def issue_at_once(programme: Programme, owners: list[str], *, amount_uc: int) -> int:
    """Issue a voucher to every organisation at the same moment; return how many were refused."""
    operator = found_operator(now=utc_now())
    organisation_ids = [act(token, now=utc_now()).organisation_id for token in owners]

    def issue(organisation_id: str) -> str:
        return issue_voucher(
            actor=operator,
            programme_id=programme.id,
            organisation_id=organisation_id,
            amount_uc=amount_uc,
            now=utc_now(),
        )

    return sum(isinstance(each, LilongError) for each in call_at_once(issue, organisation_ids))


@contextmanager
def watching(year_cap_uc: int, budget_uc: int) -> Iterator[Watch]:
    """Look at what is held and used until the end of the block, each time with one statement a question."""
    watch, stop = Watch(), threading.Event()
    accounts = list(Voucher.objects.values_list("account_id", flat=True))

    def look() -> None:
        while not stop.wait(LOOK_EACH_S):
            watch.looks += 1
            uses = VoucherUse.objects.values("voucher__organisation_id").annotate(uc=Sum("amount_uc"))
            used_uc = [row["uc"] for row in uses]
            if max(used_uc, default=0) > year_cap_uc or sum(used_uc) > budget_uc:
                watch.above = f"{used_uc} beside a cap of {year_cap_uc} and a budget of {budget_uc}"
            for balance in get_balances(account_ids=accounts).values():
                if balance.available_uc < 0:
                    watch.above = f"{balance} is overspent"
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def buy(url: str, token: str, orders: int) -> list[tuple[float, float]]:
    """Place that many orders, one after the other; return how long each quote and each placing took."""
    times: list[tuple[float, float]] = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=120, trust_env=False) as client:
        for number in range(orders):
            began_s = time.perf_counter()
            quoted = client.post("/quotes", json={"spec": SPEC}, headers={"Idempotency-Key": f"q{number}"})
            quoted.raise_for_status()
            quoted_s = time.perf_counter()
            body = {"quote_id": quoted.json()["quote_id"]}
            client.post("/orders", json=body, headers={"Idempotency-Key": f"o{number}"}).raise_for_status()
            times.append((quoted_s - began_s, time.perf_counter() - quoted_s))
    return times
