"""What accounts took in and gave away in each of several stretches of time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.db.models import F, Q, Sum, Value

from lilong.foundation.ledger.models import Transfer


@dataclass(frozen=True, slots=True)
class Flow:
    """What an account took in and gave away, for each stretch of time, oldest first."""

    in_uc: tuple[int, ...]
    out_uc: tuple[int, ...]

    @property
    def net_uc(self) -> tuple[int, ...]:
        """Return what came in less what went out."""
        return tuple(came - went for came, went in zip(self.in_uc, self.out_uc, strict=True))


def sum_flows(*, account_ids: Collection[str], codes: Collection[str], edges: Sequence[datetime]) -> Mapping[str, Flow]:
    """Return what transfers with these codes moved between each two `edges`, by account. One query.

    codes: of transfers that move money; holds move none. Cost: linear in the transfers of these accounts from the
    first edge to the last.
    """
    stretches = list(pairwise(edges))
    sums = {
        f"part_{number}": Sum("amount_uc", filter=Q(effective_at__gte=begin, effective_at__lt=end), default=0)
        for number, (begin, end) in enumerate(stretches)
    }
    moved = Transfer.objects.filter(code__in=codes, effective_at__gte=edges[0], effective_at__lt=edges[-1]).order_by()
    sides = [
        moved.filter(**{f"{side}__in": account_ids}).values_list(F(side), Value(side)).annotate(**sums)
        for side in ("credit_account", "debit_account")
    ]
    none = (0,) * len(stretches)
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    if account_ids:
        for account_id, side, *parts in sides[0].union(sides[1], all=True):
            found[account_id, side] = tuple(map(int, parts))
    return {
        account_id: Flow(
            in_uc=found.get((account_id, "credit_account"), none), out_uc=found.get((account_id, "debit_account"), none)
        )
        for account_id in account_ids
    }
