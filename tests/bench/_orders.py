"""The measured half of the bench of orders; imported once Django is set up."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from lilong.common.time import utc_now
from lilong.platforms.supermarket.models import Order
from tests.market import CREDIT, open_stall, pay_in, wallet_of
from tests.people import act, found_organisation_today
from tests.pools import make_spec
from tests.running_web import running_web

SPEC = make_spec().model_dump(mode="json")


def measure(*, home: Path, buyers: int, seconds: float) -> dict[str, float]:
    """Let `buyers` ask for quotes and take them, one after the other each; return orders/s and the waits."""
    open_stall()
    tokens = [found_organisation_today().token.secret for _ in range(buyers)]
    for token in tokens:
        pay_in(wallet_of(act(token, now=utc_now())), 1_000_000 * CREDIT)
    stop = threading.Event()
    with running_web(home=home) as web, ThreadPoolExecutor(buyers) as threads:
        started_s = time.perf_counter()
        found = [threads.submit(_buy_until, stop, web.url, token) for token in tokens]
        stop.wait(seconds)
        stop.set()
        waits_s = sorted(itertools.chain.from_iterable(each.result() for each in found))
        took_s = time.perf_counter() - started_s
    assert Order.objects.exclude(run_id="").count() == len(waits_s)
    return {
        "orders_per_s": len(waits_s) / took_s,
        "p50_s": waits_s[len(waits_s) // 2],
        "p95_s": waits_s[len(waits_s) * 95 // 100],
    }


def _buy_until(stop: threading.Event, url: str, token: str) -> list[float]:
    """Return how long each order took, from asking for the quote to the answer that it is placed."""
    waits_s: list[float] = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:
        for number in itertools.count():
            if stop.is_set():
                return waits_s
            started_s = time.perf_counter()
            quoted = client.post("/quotes", json={"spec": SPEC}, headers={"Idempotency-Key": f"q{number}"})
            quoted.raise_for_status()
            body = {"quote_id": quoted.json()["quote_id"]}
            client.post("/orders", json=body, headers={"Idempotency-Key": f"o{number}"}).raise_for_status()
            waits_s.append(time.perf_counter() - started_s)
    return waits_s
