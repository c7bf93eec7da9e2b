"""The trial balance as pages show it: added up by the worker, since every order has an account to add."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.queries.accounts import Balance, TrialLine, get_trial_balance, sum_kinds

KEY = "ledger.trial_balance"
REFRESHED_AFTER = timedelta(minutes=1)
KEPT_S = 600


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """What all accounts of each kind held together at one moment."""

    at: datetime
    lines: Sequence[TrialLine]


def read_trial_balance(*, actor: Actor, now: datetime) -> TrialBalance:
    """Return what the worker added up last, or where no worker runs, what it is now; raises NotAllowed. Two queries."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return _find_kept() or TrialBalance(at=now, lines=get_trial_balance(actor=actor))


def refresh_trial_balance(*, now: datetime) -> None:
    """Add up all accounts unless that was done within REFRESHED_AFTER. Cost: linear in accounts."""
    kept = _find_kept()
    if kept is None or not kept.at <= now < kept.at + REFRESHED_AFTER:
        lines = [(str(line.kind), line.accounts, _list_sums(line.balance)) for line in sum_kinds()]
        cache.set(KEY, (now, lines), KEPT_S)


def _find_kept() -> TrialBalance | None:
    kept = cache.get(KEY)
    if kept is None:
        return None
    at, lines = kept
    return TrialBalance(
        at=at,
        lines=[
            TrialLine(kind=AccountKind(kind), accounts=accounts, balance=Balance(*sums))
            for kind, accounts, sums in lines
        ],
    )


def _list_sums(balance: Balance) -> tuple[int, int, int]:
    return balance.posted_uc, balance.pending_out_uc, balance.pending_in_uc
