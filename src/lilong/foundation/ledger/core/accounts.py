"""Kinds of accounts, which of them have a floor, and where restricted money may go."""

from dataclasses import dataclass
from enum import StrEnum


class AccountKind(StrEnum):
    """What an account is for; the kind decides whether it may go below zero.

    What a member owes stands below zero in its `member_debt` and above in the `receivable` of whom it is owed to: two
    sides of one promise and no money, so that nobody spends what has not come in, and never more comes in than is owed.
    """

    WALLET = "wallet"
    PROJECT_BUDGET = "project_budget"
    PROGRAMME_FUND = "programme_fund"
    VOUCHER = "voucher"
    ORDER_ESCROW = "order_escrow"
    CHALLENGE_ESCROW = "challenge_escrow"
    PROVIDER_ACCRUING = "provider_accruing"
    PROVIDER_AVAILABLE = "provider_available"
    HUB_FEE = "hub_fee"
    SERVICE_RESERVE = "service_reserve"
    MEMBER_DEBT = "member_debt"
    RECEIVABLE = "receivable"
    OUTSIDE = "outside"


FLOORLESS_KINDS = frozenset(
    {AccountKind.PROVIDER_ACCRUING, AccountKind.HUB_FEE, AccountKind.MEMBER_DEBT, AccountKind.OUTSIDE}
)


def find_floor_uc(*, kind: AccountKind) -> int | None:
    """Return the least that an account of this kind may hold available, or None where it may go below zero.

    >>> find_floor_uc(kind=AccountKind.WALLET), find_floor_uc(kind=AccountKind.OUTSIDE)
    (0, None)
    """
    return None if kind in FLOORLESS_KINDS else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What never changes about an account.

    restriction: what a voucher's money may be spent on, or what this account spends on; empty: on anything.
    """

    id: str
    kind: AccountKind
    owner_id: str
    purpose: str
    restriction: str

    @property
    def has_floor(self) -> bool:
        """Whether the database refuses to let its available sum fall below zero."""
        return self.kind not in FLOORLESS_KINDS


def may_pay(*, payer: Account, receiver: Account) -> bool:
    """Return whether the payer's restriction lets its money go to the receiver.

    A restricted voucher pays only into accounts with the same restriction, or back to a programme fund.

    >>> voucher = Account(id="a", kind=AccountKind.VOUCHER, owner_id="o", purpose="v", restriction="compute")
    >>> wallet = Account(id="b", kind=AccountKind.WALLET, owner_id="o", purpose="", restriction="")
    >>> may_pay(payer=voucher, receiver=wallet), may_pay(payer=wallet, receiver=voucher)
    (False, True)
    """
    if payer.kind is not AccountKind.VOUCHER or not payer.restriction:
        return True
    return receiver.kind is AccountKind.PROGRAMME_FUND or receiver.restriction == payer.restriction
