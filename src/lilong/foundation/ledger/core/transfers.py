"""Transfers, the groups that bind them, and the answer to each group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

AMOUNT_MAX_UC = 10**16


class TransferKind(StrEnum):
    """post moves money; pend holds it; settle moves what is due of a hold and releases the rest; void releases all."""

    POST = "post"
    PEND = "pend"
    SETTLE = "settle"
    VOID = "void"


RESOLUTIONS = frozenset({TransferKind.SETTLE, TransferKind.VOID})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money moved, reserved or released between two accounts; written once and never changed.

    id: chosen by the caller, so that sending it again changes nothing; at most 64 characters.
    amount_uc: 0 to AMOUNT_MAX_UC; a settle of n releases what the hold has above n, a void has amount 0.
    pending_id: of a settle or void, the pend that it ends.
    code: why, such as `hold` or `fee`; subject: about what, such as an order's id.
    effective_at: the moment that it counts for; the first value sent stays.
    corrects: the earlier transfer that this one puts right.
    """

    id: str
    kind: TransferKind
    debit_account: str
    credit_account: str
    amount_uc: int
    code: str
    subject: str
    effective_at: datetime
    pending_id: str | None = None
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class LinkGroup:
    """Transfers that happen together or not at all."""

    id: str
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a group was not posted: which rule, which account or transfer, and what would make it pass."""

    code: str
    constraint: str
    detail: str
    next_step: str
    account_id: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict[str, str | int])


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The answer to one group; posting the same group again gives the same answer once it was posted."""

    id: str
    posted: bool
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer as the books hold it: with its group and, for a resolution, the amount that was held."""

    transfer: Transfer
    group_id: str
    held_uc: int | None = None

    def says_the_same(self, other: "Entry") -> bool:
        """Return whether both move the same money for the same reason; the moment it counts for may differ."""
        mine, theirs = self.transfer, other.transfer
        return (self.group_id, mine.kind, mine.debit_account, mine.credit_account, mine.amount_uc) == (
            other.group_id,
            theirs.kind,
            theirs.debit_account,
            theirs.credit_account,
            theirs.amount_uc,
        ) and (mine.pending_id, mine.code, mine.subject, mine.corrects) == (
            theirs.pending_id,
            theirs.code,
            theirs.subject,
            theirs.corrects,
        )
