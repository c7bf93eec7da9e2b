"""Which payment an entry of a statement is: proposed where reference and amount agree, else left with the reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from lilong.common.money import UC_PER_CREDIT
from lilong.common.rates import RATE_DECIMALS

WHOLE_LENGTH_MIN = 16
"""References at least so long are found even where a bank leaves out what stands between their letters."""
KEPT = 20_000
"""Each reference is compared with every entry of a page."""
_WORD = re.compile(r"[^\W_]+")


class PaymentKind(StrEnum):
    """Whether money was to come or to go."""

    TOP_UP = "top_up"
    PAY_OUT = "pay_out"


class PaymentStage(StrEnum):
    """How far a payment is: not decided, to be sent, in the books, or refused."""

    ASKED = "asked"
    APPROVED = "approved"
    BOOKED = "booked"
    REFUSED = "refused"


class Finding(StrEnum):
    """What is found of an entry."""

    MATCHED = "matched"
    PROPOSED = "proposed"
    SEVERAL = "several"
    AMOUNT_DIFFERS = "amount_differs"
    NOT_APPROVED = "not_approved"
    REFUSED = "refused"
    PAID_ALREADY = "paid_already"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPayment:
    """A top-up or pay-out that an entry can be. references: any of them tells it; is_matched: with some entry.

    amount_minor: what its credits were worth when it was asked for, above zero; None where no rate says so.
    """

    id: str
    kind: PaymentKind
    stage: PaymentStage
    case_id: str
    organisation_id: str
    references: tuple[str, ...]
    amount_uc: int
    amount_minor: int | None
    asked_on: date
    is_matched: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an entry is held for. payments: those that a person may confirm, or those that the reason is about."""

    finding: Finding
    payments: tuple[ExpectedPayment, ...] = ()

    @property
    def may_confirm(self) -> bool:
        """Whether a person may say which of the payments it is."""
        return self.finding in {Finding.PROPOSED, Finding.SEVERAL}


def worth_minor(*, amount_uc: int, millionths: int, decimals: int) -> int:
    """Return what credits are worth in a currency's smallest unit, rounded once, half up.

    millionths: of the currency, that one credit is worth.

    >>> worth_minor(amount_uc=12_500_000, millionths=1_000_000, decimals=2)
    1250
    """
    scale: int = UC_PER_CREDIT * 10**RATE_DECIMALS
    whole: int = amount_uc * millionths * 10**decimals
    return (2 * whole + scale) // (2 * scale)


def propose(*, amount_minor: int, text: str, payments: Sequence[ExpectedPayment]) -> Proposal:
    """Return what an entry that nobody has confirmed is held for, by its signed amount and all that it says.

    Cost: linear in payments.

    A top-up is proposed as long as it is not refused, a pay-out once it is approved. Several that agree are left to a
    person, as is everything else.
    """
    kind = PaymentKind.TOP_UP if amount_minor > 0 else PaymentKind.PAY_OUT
    words, whole = _list_words(text), _join_words(text)
    named = [each for each in payments if each.kind is kind and _is_named(each, words=words, whole=whole)]
    exact = [each for each in named if each.amount_minor == abs(amount_minor)]
    open_ones = tuple(each for each in exact if not each.is_matched and _may_be_paid(each))
    if len(open_ones) == 1:
        return Proposal(Finding.PROPOSED, open_ones)
    if open_ones:
        return Proposal(Finding.SEVERAL, open_ones)
    if not exact:
        return Proposal(Finding.AMOUNT_DIFFERS if named else Finding.UNKNOWN, tuple(named))
    left = tuple(each for each in exact if not each.is_matched)
    if not left:
        return Proposal(Finding.PAID_ALREADY, tuple(exact))
    is_refused = all(each.stage is PaymentStage.REFUSED for each in left)
    return Proposal(Finding.REFUSED if is_refused else Finding.NOT_APPROVED, left)


def _may_be_paid(payment: ExpectedPayment) -> bool:
    if payment.kind is PaymentKind.TOP_UP:
        return payment.stage is not PaymentStage.REFUSED
    return payment.stage in {PaymentStage.APPROVED, PaymentStage.BOOKED}


def _is_named(payment: ExpectedPayment, *, words: str, whole: str) -> bool:
    """Return whether one of the payment's references stands in a text, word by word; a long one in any form."""
    for reference in payment.references:
        joined = _join_words(reference)
        if joined and (_list_words(reference) in words or (len(joined) >= WHOLE_LENGTH_MIN and joined in whole)):
            return True
    return False


@lru_cache(maxsize=KEPT)
def _list_words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "


@lru_cache(maxsize=KEPT)
def _join_words(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))
