"""Reads of the books."""

from collections.abc import Sequence
from dataclasses import dataclass

from lilong.common.errors import NotFound
from lilong.foundation.ledger.sql import add_sums


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds: posted, of which `pending_out_uc` is reserved; `pending_in_uc` may still come."""

    posted_uc: int
    pending_out_uc: int
    pending_in_uc: int

    @property
    def available_uc(self) -> int:
        """What can be spent: posted less pending out."""
        return self.posted_uc - self.pending_out_uc


class AccountMissing(NotFound):
    """One of the accounts asked for was never opened."""

    code = "ledger.account_missing"
    title = "There is no such account"


def get_balances(*, account_ids: Sequence[str]) -> dict[str, Balance]:
    """Return the balances, now. One query. Raises AccountMissing."""
    sums = add_sums(account_ids=account_ids)
    missing = [account_id for account_id in account_ids if account_id not in sums]
    if missing:
        raise AccountMissing(detail=f"There is no account {missing[0]}.")
    return {
        key: Balance(posted_uc=s.posted_uc, pending_out_uc=s.pending_out_uc, pending_in_uc=s.pending_in_uc)
        for key, s in sums.items()
    }
