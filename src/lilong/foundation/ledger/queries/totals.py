"""What the accounts of each kind hold together: for whoever keeps the hub running."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Sum

from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.models import Account, Tail

ORDERLY_KINDS = frozenset({AccountKind.ORDER_ESCROW, AccountKind.CHALLENGE_ESCROW})
"""One account for each order or challenge: as many as there were orders, and empty between two transactions."""

SUMMED_KINDS = tuple(kind for kind in AccountKind if kind not in ORDERLY_KINDS)


@dataclass(frozen=True, slots=True)
class KindTotal:
    """All accounts of one kind: what was posted to them, and what of it is held for something."""

    posted_uc: int
    held_uc: int


def sum_accounts() -> Mapping[AccountKind, KindTotal]:
    """Return the totals of every kind but escrows. One query.

    Cost: linear in accounts of these kinds, which are a few for each organisation, and one for each voucher.
    """
    accounts = Account.objects.filter(kind__in=SUMMED_KINDS).values_list("kind")
    tails = Tail.objects.filter(account__kind__in=SUMMED_KINDS).values_list("account__kind")
    sums = {"posted": Sum("posted_uc"), "held": Sum("pending_out_uc")}
    totals = dict.fromkeys(SUMMED_KINDS, KindTotal(posted_uc=0, held_uc=0))
    for kind, posted_uc, held_uc in accounts.annotate(**sums).union(tails.annotate(**sums), all=True):
        before = totals[AccountKind(kind)]
        totals[AccountKind(kind)] = KindTotal(before.posted_uc + int(posted_uc), before.held_uc + int(held_uc))
    return totals
