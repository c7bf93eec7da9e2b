"""The books of a past moment, added up from transfers alone: by kind of account, and what moved on some accounts."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum, Value
from django.db.models.functions import TruncMonth

from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.as_of import AsOf
from lilong.foundation.ledger.core.transfers import RESOLUTIONS, TransferKind
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.accounts import Balance, TrialLine
from lilong.foundation.ledger.queries.moves import MOVING_KINDS

ACCOUNTS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class MonthMove:
    """What entered (above zero) or left an account in one month of UTC, to or from accounts of one kind."""

    account_id: str
    month: date
    other_kind: AccountKind
    change_uc: int


@dataclass(frozen=True, slots=True)
class HeldSum:
    """What open holds with one code hold of an account."""

    account_id: str
    code: str
    held_uc: int


def get_trial_balance_as_of(*, actor: Actor, as_of: AsOf) -> list[TrialLine]:
    """Return what all accounts of each kind held together at a moment; for the operator. Posted sums add up to zero.

    Three queries. Cost: linear in all transfers until then.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return sum_kinds_as_of(as_of=as_of)


def sum_kinds_as_of(*, as_of: AsOf) -> list[TrialLine]:
    """Return what all accounts of each kind, opened until then, held together at a moment. Three queries.

    Cost: linear in all transfers until then.
    """
    sums: Counter[tuple[str, str]] = Counter()
    for side, sign in (("debit_account", -1), ("credit_account", 1)):
        rows = _find(as_of).order_by().values_list(f"{side}__kind")
        for kind, moved_uc, pended_uc in rows.annotate(
            moved=Sum("amount_uc", filter=Q(kind__in=MOVING_KINDS), default=0),
            pended=Sum("amount_uc", filter=Q(kind=TransferKind.PEND), default=0) - Sum("held_uc", default=0),
        ):
            sums[kind, "posted"] += sign * int(moved_uc)
            sums[kind, side] += int(pended_uc)
    opened = Account.objects.filter(opened_at__lte=as_of.at).order_by().values_list("kind").annotate(count=Count("pk"))
    counts = dict(opened)
    return [
        TrialLine(
            kind=kind,
            accounts=counts[kind],
            balance=Balance(
                posted_uc=sums[kind, "posted"],
                pending_out_uc=sums[kind, "debit_account"],
                pending_in_uc=sums[kind, "credit_account"],
            ),
        )
        for kind in AccountKind
        if kind in counts
    ]


def list_month_moves(*, account_ids: Collection[str], as_of: AsOf) -> Iterator[MonthMove]:
    """Yield what moved on these accounts until a moment. One query for each ACCOUNTS_AT_ONCE.

    Cost: linear in their transfers until then.
    """
    month = TruncMonth("effective_at", tzinfo=UTC)
    for some in _cut(account_ids):
        sides = []
        for side, other in (("credit_account", "debit_account"), ("debit_account", "credit_account")):
            moved = _find(as_of).filter(kind__in=MOVING_KINDS, amount_uc__gt=0, **{f"{side}__in": some}).order_by()
            rows = moved.annotate(month=month).values_list(Value(side), f"{side}_id", "month", f"{other}__kind")
            sides.append(rows.annotate(sum_uc=Sum("amount_uc")))
        for side, account_id, begin, kind, sum_uc in sides[0].union(sides[1], all=True):
            sign = 1 if side == "credit_account" else -1
            yield MonthMove(account_id, begin.date(), AccountKind(kind), sign * int(sum_uc))


def list_held_sums(*, account_ids: Collection[str], as_of: AsOf) -> Iterator[HeldSum]:
    """Yield what was held of these accounts at a moment, by code of the holds. One query for each ACCOUNTS_AT_ONCE.

    Cost: linear in their holds until then.
    """
    for some in _cut(account_ids):
        own = _find(as_of).filter(debit_account__in=some).order_by()
        begun = own.filter(kind=TransferKind.PEND).values_list("debit_account_id", "code")
        ended = own.filter(kind__in=RESOLUTIONS).values_list("debit_account_id", "pending__code")
        held: Counter[tuple[str, str]] = Counter()
        for account_id, code, sum_uc in begun.annotate(sum_uc=Sum("amount_uc")).union(
            ended.annotate(sum_uc=-Sum("held_uc")), all=True
        ):
            held[account_id, code] += int(sum_uc)
        yield from (HeldSum(account_id, code, held_uc) for (account_id, code), held_uc in held.items() if held_uc)


def _cut(account_ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(account_ids)
    return (ordered[start : start + ACCOUNTS_AT_ONCE] for start in range(0, len(ordered), ACCOUNTS_AT_ONCE))


def _find(as_of: AsOf) -> "QuerySet[Transfer, Any]":
    return Transfer.objects.filter(effective_at__lte=as_of.at, recorded_at__lte=as_of.known_at)
