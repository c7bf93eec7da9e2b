"""Recompute the books from their transfers and name every difference."""

from dataclasses import dataclass
from datetime import datetime

from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.ledger.core.posting import Change
from lilong.foundation.ledger.models import Account, ClosingBalance, Period, Transfer
from lilong.foundation.ledger.queries.accounts import BEGINNING, closing_change
from lilong.foundation.ledger.sql import find_wrong_holds, find_wrong_sums, sum_transfers


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the books contradict their transfers."""

    where: str
    stored: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was recomputed, and each difference; without one the ledger is balanced."""

    verified_at: datetime
    accounts: int
    transfers: int
    differences: tuple[Difference, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every stored sum is that of its transfers."""
        return not self.differences


def verify(*, now: datetime) -> VerifyReport:
    """Recompute all sums, holds and closing balances. It locks nothing; posting goes on meanwhile.

    That debits equal credits needs no check: a transfer is one row with one amount, and sums that equal those of their
    transfers therefore add up to zero. Cost: linear in transfers, once more for each closed period's own ones.
    """
    differences = [
        Difference(where=f"account {account_id}", stored=_show(stored), recomputed=_show(recomputed))
        for account_id, stored, recomputed in find_wrong_sums()
    ]
    differences += [
        Difference(where=f"transfer {transfer_id}", stored="resolves a hold", recomputed="differs from that hold")
        for transfer_id in find_wrong_holds()
    ]
    differences += _find_wrong_closings()
    return VerifyReport(
        verified_at=now,
        accounts=Account.objects.count(),
        transfers=Transfer.objects.count(),
        differences=tuple(differences),
    )


def verify_for(*, actor: Actor, now: datetime) -> VerifyReport:
    """Recompute the books for an operator; raises NotAllowed."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return verify(now=now)


def _find_wrong_closings() -> list[Difference]:
    found: list[Difference] = []
    running: dict[str, Change] = {}
    begin = BEGINNING
    for period in Period.objects.order_by("ends_at"):
        for account_id, change in sum_transfers(account_ids=None, begin=begin, end=period.ends_at).items():
            running.setdefault(account_id, Change()).add(change)
        begin = period.ends_at
        closings = {
            closing.account_id: closing_change(closing=closing)
            for closing in ClosingBalance.objects.filter(period=period)
        }
        found += [
            Difference(
                where=f"closing balance of {account_id} in {period.id}",
                stored=_show(closings.get(account_id, Change())),
                recomputed=_show(running.get(account_id, Change())),
            )
            for account_id in sorted(closings.keys() | running.keys())
            if closings.get(account_id, Change()) != running.get(account_id, Change())
        ]
    return found


def _show(change: Change) -> str:
    return f"posted {change.posted_uc} uc, pending out {change.pending_out_uc} uc, in {change.pending_in_uc} uc"
