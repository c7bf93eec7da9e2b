"""Money that enters and leaves the hub: states, and the instruction for whoever moves it outside."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lilong.common.money import format_credits


class TopUpState(StrEnum):
    """Where a top-up stands."""

    REQUESTED = "requested"
    POSTED = "posted"
    REFUSED = "refused"


def find_next_state(*, state: TopUpState, decision: str) -> TopUpState | None:
    """Return what a case's decision makes of a top-up, or None when it changes nothing.

    A refused one is entered when an appeal was approved.

    >>> find_next_state(state=TopUpState.REFUSED, decision="approved").value
    'posted'
    >>> find_next_state(state=TopUpState.POSTED, decision="refused") is None
    True
    """
    if decision == "approved" and state in {TopUpState.REQUESTED, TopUpState.REFUSED}:
        return TopUpState.POSTED
    return TopUpState.REFUSED if decision == "refused" and state is TopUpState.REQUESTED else None


class PayOutState(StrEnum):
    """Where a pay-out stands; its amount is held from the request until it is sent or refused."""

    REQUESTED = "requested"
    APPROVED = "approved"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Payment:
    """What has to be paid outside. `token` is ours: whoever finds it on a statement finds the pay-out."""

    token: str
    beneficiary: str
    amount_uc: int


class PaymentRail(Protocol):
    """A way by which money leaves: the hub keeps the books, others keep the money."""

    name: str

    def instruct(self, *, payment: Payment) -> str:
        """Return what has to be done for this payment; asking again asks for the same payment."""
        ...


@dataclass(frozen=True, slots=True)
class ManualBankTransfer:
    """A person of the hub makes the transfer at its bank and enters the bank's reference.

    >>> payment = Payment(token="pay_1", beneficiary="DE00 1234", amount_uc=12_500_000)
    >>> ManualBankTransfer().instruct(payment=payment)
    'Transfer 12.50 credits to DE00 1234 with the reference pay_1, then enter the reference that the bank gives.'
    """

    name: str = "manual bank transfer"

    def instruct(self, *, payment: Payment) -> str:
        """Return the instruction in words."""
        return (
            f"Transfer {format_credits(payment.amount_uc)} credits to {payment.beneficiary} with the reference"
            f" {payment.token}, then enter the reference that the bank gives."
        )
