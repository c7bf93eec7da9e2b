"""What was settled on each of the last days: added up by the worker, since every order adds to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.time import list_days
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.models import Account
from lilong.foundation.ledger.queries.flows import sum_flows

KEY = "ledger.settled_days"
DAYS = 30
SETTLING_CODES = frozenset({"pay", "fee", "correction"})
REFRESHED_AFTER = timedelta(minutes=1)
OPEN_DAYS = 2
"""How many days are added up again each time: today, and yesterday for what was posted around midnight."""

KEPT_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class SettledDays:
    """What providers earned and what the hub kept, after corrections, between each two `edges`, as of one moment."""

    at: datetime
    edges: Sequence[datetime]
    earned_uc: Sequence[int]
    fees_uc: Sequence[int]


def read_settled_days(*, actor: Actor, now: datetime) -> SettledDays:
    """Return what the worker added up last, or where no worker runs, what it is now; raises NotAllowed.

    Two queries; three where no worker runs, at a cost linear in what was settled.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    at, days = _find_kept() or (now, _add_up(list_days(now=now, count=DAYS)))
    edges = list_days(now=at, count=DAYS)
    sums = [days.get(day.date().isoformat(), (0, 0)) for day in edges[:-1]]
    return SettledDays(at=at, edges=edges, earned_uc=[earned for earned, _ in sums], fees_uc=[fees for _, fees in sums])


def refresh_settled_days(*, now: datetime) -> None:
    """Add up what is not kept yet, and today and yesterday again, unless that was done within REFRESHED_AFTER.

    Cost: linear in what was settled in two days, once a day in none more, and at first in DAYS.
    """
    at, kept = _find_kept() or (None, {})
    if at and at <= now < at + REFRESHED_AFTER:
        return
    edges = list_days(now=now, count=DAYS)
    names = [day.date().isoformat() for day in edges[:-1]]
    missing = next((number for number, name in enumerate(names) if name not in kept), DAYS)
    begin = min(missing, DAYS - OPEN_DAYS)
    days = {name: kept[name] for name in names[:begin]} | dict(_add_up(edges[begin:]))
    cache.set(KEY, (now, days), KEPT_S)


def _add_up(edges: Sequence[datetime]) -> Mapping[str, tuple[int, int]]:
    """Return what providers and what the hub took in on each day, by its date."""
    kinds = (AccountKind.PROVIDER_ACCRUING, AccountKind.HUB_FEE)
    accounts = dict(Account.objects.filter(kind__in=kinds).values_list("id", "kind"))
    sums = [[0, 0] for _ in edges[:-1]]
    for account_id, flow in sum_flows(account_ids=accounts, codes=SETTLING_CODES, edges=edges).items():
        place = kinds.index(AccountKind(accounts[account_id]))
        for day, net_uc in zip(sums, flow.net_uc, strict=True):
            day[place] += net_uc
    return {edge.date().isoformat(): (earned, fees) for edge, (earned, fees) in zip(edges[:-1], sums, strict=True)}


def _find_kept() -> tuple[datetime, Mapping[str, tuple[int, int]]] | None:
    kept: tuple[datetime, Mapping[str, tuple[int, int]]] | None = cache.get(KEY)
    return kept
