"""The hub's half of the bench of pages: who looks at what, the web process, and where the time went."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.ledger import sql as ledger
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.public import AccountKind
from lilong.foundation.ledger.queries.trial import refresh_trial_balance
from lilong.foundation.members.models import Membership, Organisation
from lilong.foundation.members.public import OrganisationState
from lilong.foundation.record.models import Entry
from lilong.foundation.runs.models import Pool
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Order, Provider
from lilong.platforms.supermarket.queries.shelf_index import SHELF
from tests.bench._agents import find_postmaster, read_busy_s, read_cpu_s
from tests.bench._web_load import Load, User, Visit
from tests.running_web import running_web

MEMBERS, PROVIDERS, OPERATORS = 12, 4, 4
ORDERS_EACH = 20
PATHS_COUNTED = 4
WARM_UP_S, LASTS_S = 20, 120
MONTH = "2026-02"
SEED = 1


def measure(*, home: Path) -> dict[str, object]:
    """Let twenty people look around for some minutes; return how long each page took, and who used which core."""
    now = utc_now()
    Pool.objects.update(last_sync_at=now)  # the year is over, but its agents speak
    refresh_trial_balance(now=now)  # a worker does; none runs, since it would end what the year left open
    logging.disable(logging.INFO)  # of this process; the web process tells how long it works on each request
    users = [*list_members(), *list_providers(), *list_operators()]
    queries = count_queries(users)
    log = home / "web.log"
    log.unlink(missing_ok=True)
    with running_web(home=home) as web:
        load = Load(
            url=web.url,
            cookie=settings.SESSION_COOKIE_NAME,
            users=users,
            warm_up_s=WARM_UP_S,
            lasts_s=LASTS_S,
            seed=SEED,
        )
        command = [sys.executable, "-m", "tests.bench._web_load"]
        player = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert player.stdin is not None
        assert player.stdout is not None
        with player:
            player.stdin.write(load.model_dump_json().encode())
            player.stdin.close()
            roots = {"web": web.list_pids()[0], "database": find_postmaster(), "users": player.pid}
            assert player.stdout.readline() == b"begin\n"
            before, began_s = {name: read_cpu_s(pid) for name, pid in roots.items()}, time.monotonic()
            busy_before_s = read_busy_s()
            assert player.stdout.readline() == b"end\n"
            took_s = time.monotonic() - began_s
            cores = {name: (read_cpu_s(pid) - before[name]) / took_s for name, pid in roots.items()}
            cores["others"] = (read_busy_s() - busy_before_s) / took_s - sum(cores.values())
            visits = [Visit(*visit) for visit in json.loads(player.stdout.read())]
    return {
        "users": len(users),
        "per_s": len(visits) / took_s,
        "cores": cores,
        "cpu_ms": {name: cores[name] * took_s / len(visits) * 1000 for name in ("web", "database")},
        "sizes": count_rows(),
        "pages": sum_up(visits, served_ms=read_log(log), queries=queries),
    }


def sum_up(
    visits: Sequence[Visit], *, served_ms: Mapping[str, float], queries: Mapping[str, int]
) -> dict[str, dict[str, object]]:
    """Return the times of each page in milliseconds."""
    pages: dict[str, dict[str, object]] = {}
    for page in queries:
        seen = [visit for visit in visits if visit.page == page]
        served = [served_ms[visit.request_id] for visit in seen]
        waited = [max(visit.took_ms - ms, 0) for visit, ms in zip(seen, served, strict=True)]
        pages[page] = {
            "n": len(seen),
            "queries": queries[page],
            "server": rank(served),
            "wait": rank(waited),
            "whole": rank([visit.took_ms for visit in seen]),
        }
    return pages


def rank(times_ms: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    ordered = sorted(times_ms)
    return {f"p{part}": ordered[len(ordered) * part // 100] for part in (50, 95)}


def read_log(path: Path) -> dict[str, float]:
    """Return how long the hub worked on each request, by its id."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return {line["request_id"]: line["ms"] for line in lines if line["event"] == "request"}


def list_members() -> list[User]:
    """Return people of the organisations that ordered most, with the pages of those who buy."""
    most = Order.objects.values("organisation_id").annotate(orders=Count("id")).order_by("-orders")[:MEMBERS]
    return [_member(row["organisation_id"]) for row in most]


def _member(organisation_id: str) -> User:
    orders = list(
        Order.objects.filter(organisation_id=organisation_id).exclude(run_id="").order_by("-id")[: ORDERS_EACH * 5 : 5]
    )
    quoted = Order.objects.filter(organisation_id=organisation_id, state=OrderState.EXPIRED).select_related("quote")
    quotes = list(quoted.order_by("-id")[:ORDERS_EACH])
    owner = Membership.objects.get(organisation_id=organisation_id, role=Role.OWNER)
    return User(
        session=sign_in(owner),
        paths=PUBLIC
        | {
            "home": ["/home"],
            "shelf": ["/shelf"],
            "quote": [f"/quotes/{order.quote.id}" for order in quotes],
            "orders": ["/orders", "/orders?show=settled", "/orders?show=open", "/orders?show=disputed"],
            "order": [f"/orders/{order.id}" for order in orders],
            "log": [f"/runs/{order.run_id}/log" for order in orders],
            "wallet": ["/wallet", f"/wallet?month={MONTH}"],
        },
    )


PUBLIC = {"front": ["/"], "record": ["/record", "/record/100"]}


def list_providers() -> list[User]:
    """Return people of providers, with the pages of those who sell."""
    organisations = Provider.objects.order_by("id").values_list("organisation_id", flat=True)[:PROVIDERS]
    owners = Membership.objects.filter(organisation__in=list(organisations)).order_by("id")
    return [User(session=sign_in(owner), paths=PUBLIC | {"provider": ["/provider"]}) for owner in owners]


def list_operators() -> list[User]:
    """Return operators of the hub; they look at the largest accounts, too."""
    operators = Membership.objects.filter(role=Role.OPERATOR).select_related("person").order_by("id")[:OPERATORS]
    accounts = Account.objects.filter(kind__in=(AccountKind.HUB_FEE, AccountKind.PROVIDER_ACCRUING)).order_by("id")
    paths = {
        "desk": ["/desk"],
        "ledger": ["/desk/ledger", "/desk/ledger?kind=wallet", "/desk/ledger?kind=voucher"],
        "account": [f"/desk/ledger/accounts/{account.id}" for account in accounts[:ORDERS_EACH]],
    }
    return [User(session=sign_in(operator), paths=PUBLIC | paths) for operator in operators]


def sign_in(membership: Membership) -> str:
    """Return the key of a new session of somebody."""
    client = Client()
    with transaction.atomic():
        client.force_login(membership.person)
    return client.session.session_key or ""


@contextmanager
def noting_statements(statements: list[str]) -> Iterator[None]:
    """Note the ledger's own statements, which go past Django, where they are handed over."""
    run_statement = ledger._run  # noqa: SLF001 - as said above

    def note(*args: Any, **options: Any) -> Any:
        statements.append(str(args[0]))
        return run_statement(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "_run", note)
        yield


def count_queries(users: Sequence[User]) -> dict[str, int]:
    """Return the most queries that the first addresses of a page need, in the order in which people meet the pages.

    The whole shelf is read before: a process does that once.
    """
    with SHELF.read(now=utc_now()):
        most: dict[str, int] = {}
    for user in users:
        client = Client(headers={"host": settings.ALLOWED_HOSTS[0], "accept": "text/html"})
        client.cookies[settings.SESSION_COOKIE_NAME] = user.session
        for page, paths in user.paths.items():
            for path in paths[:PATHS_COUNTED]:
                statements: list[str] = []
                with CaptureQueriesContext(connection) as seen, noting_statements(statements):
                    response = client.get(path)
                assert response.status_code == 200, f"{path} is answered with {response.status_code}"
                most[page] = max(most.get(page, 0), len(seen) + len(statements))
    return most


def count_rows() -> dict[str, float]:
    """Return how large the hub is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()) / 1024.0 / 1024")
        ((mib,),) = cursor.fetchall()
    return {
        "organisations": Organisation.objects.filter(state=OrganisationState.ADMITTED).count(),
        "orders": Order.objects.exclude(run_id="").count(),
        "transfers": Transfer.objects.count(),
        "entries": Entry.objects.count(),
        "mib": float(mib),
    }
