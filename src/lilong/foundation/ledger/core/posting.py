"""Decide whether a group of transfers may be written, and what it changes on each account.

What only the database can decide under concurrency (floors, one resolution per hold, one use of an id) is not here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.sentences import say
from lilong.foundation.ledger.core.accounts import Account, may_pay
from lilong.foundation.ledger.core.refusals import (
    refuse_above_hold,
    refuse_form,
    refuse_future,
    refuse_resolved,
    refuse_restricted,
    refuse_reused_id,
    refuse_unknown_account,
    refuse_unknown_correction,
    refuse_unknown_hold,
)
from lilong.foundation.ledger.core.transfers import (
    AMOUNT_MAX_UC,
    RESOLUTIONS,
    Entry,
    LinkGroup,
    Refusal,
    Transfer,
    TransferKind,
)

ID_MAX_CHARACTERS = 64


@dataclass(slots=True)
class Change:
    """What some transfers add to an account's sums; `available_uc` is what they leave to spend."""

    posted_uc: int = 0
    pending_out_uc: int = 0
    pending_in_uc: int = 0

    @property
    def available_uc(self) -> int:
        """Change of posted less pending out."""
        return self.posted_uc - self.pending_out_uc

    def add(self, other: "Change") -> None:
        """Add another change to this one."""
        self.posted_uc += other.posted_uc
        self.pending_out_uc += other.pending_out_uc
        self.pending_in_uc += other.pending_in_uc


@dataclass(frozen=True, slots=True)
class Known:
    """What the books say about the ids that some groups name; none of it ever changes.

    entries: transfers by id; resolved_by: per hold, the id of the transfer that resolved it.
    """

    accounts: Mapping[str, Account]
    entries: Mapping[str, Entry]
    resolved_by: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A group that may be written, unless the database refuses."""

    group_id: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A group that is in the books already, transfer by transfer."""

    group_id: str


def prepare_group(*, group: LinkGroup, known: Known, now: datetime) -> Prepared | Replayed | Refusal:
    """Return what to write for `group`, or that it is written, or why it never will be.

    Cost: linear in its transfers.
    """
    problem = _find_form_problem(group)
    if problem:
        return refuse_form(group_id=group.id, problem=problem)
    written = {transfer.id for transfer in group.transfers if transfer.id in known.entries}
    for transfer in group.transfers:
        entry = known.entries.get(transfer.id)
        if written and not (entry and entry.says_the_same(Entry(transfer=transfer, group_id=group.id))):
            return refuse_reused_id(transfer_id=transfer.id if entry else min(written))
    if written:
        return Replayed(group_id=group.id)
    entries: list[Entry] = []
    for transfer in group.transfers:
        refusal = _find_refusal(transfer=transfer, known=known, now=now)
        if refusal:
            return refusal
        hold = known.entries.get(transfer.pending_id or "")
        entries.append(Entry(transfer=transfer, group_id=group.id, held_uc=hold.transfer.amount_uc if hold else None))
    return Prepared(group_id=group.id, entries=tuple(entries))


def net_changes(entries: Iterable[Entry]) -> dict[str, Change]:
    """Return the sum of what `entries` change, per account, by account id in ascending order.

    >>> from datetime import UTC
    >>> moment = datetime(2026, 3, 1, tzinfo=UTC)
    >>> pay = Transfer(id="t", kind=TransferKind.POST, debit_account="a", credit_account="b", amount_uc=5, code="pay",
    ...                subject="", effective_at=moment)
    >>> net_changes([Entry(transfer=pay, group_id="g")])["a"].available_uc
    -5
    """
    changes: dict[str, Change] = {}
    for entry in entries:
        transfer = entry.transfer
        payer = changes.setdefault(transfer.debit_account, Change())
        receiver = changes.setdefault(transfer.credit_account, Change())
        moved_uc = 0 if transfer.kind is TransferKind.PEND else transfer.amount_uc
        payer.posted_uc -= moved_uc
        receiver.posted_uc += moved_uc
        pended_uc = transfer.amount_uc if transfer.kind is TransferKind.PEND else -(entry.held_uc or 0)
        payer.pending_out_uc += pended_uc
        receiver.pending_in_uc += pended_uc
    return dict(sorted(changes.items()))


def sum_takings(groups: Sequence[Mapping[str, Change]]) -> dict[str, int]:
    """Return per account the sum of what single groups take from its available sum: 0 or less.

    When an account can bear all of it at once, every group could have been posted by itself, in any order.
    """
    takings: dict[str, int] = {}
    for changes in groups:
        for account_id, change in changes.items():
            takings[account_id] = takings.get(account_id, 0) + min(change.available_uc, 0)
    return takings


def split_waves(groups: Sequence[LinkGroup]) -> list[list[LinkGroup]]:
    """Cut `groups` where one names a transfer of an earlier one, so that each wave knows what came before.

    >>> split_waves([])
    []
    """
    waves: list[list[LinkGroup]] = []
    ids_of_wave: set[str] = set()
    for group in groups:
        ids = {group.id, *(transfer.id for transfer in group.transfers)}
        named = ids.union(*((t.pending_id, t.corrects) for t in group.transfers))
        if not waves or named & ids_of_wave:
            waves.append([])
            ids_of_wave = set()
        waves[-1].append(group)
        ids_of_wave |= ids
    return waves


def _find_form_problem(group: LinkGroup) -> str:
    """Return what is wrong with the group's form, or nothing."""
    if not group.transfers:
        return say("a group has at least one transfer")
    ids = [transfer.id for transfer in group.transfers]
    holds = [transfer.pending_id for transfer in group.transfers if transfer.pending_id]
    if len(set(ids)) < len(ids) or len(set(holds)) < len(holds):
        return say("it names a transfer twice")
    for text in (group.id, *ids, *(t.code for t in group.transfers)):
        if not 1 <= len(text) <= ID_MAX_CHARACTERS:
            return say("an id or code is empty or too long")
    return next((problem for problem in map(_find_transfer_problem, group.transfers) if problem), "")


def _find_transfer_problem(transfer: Transfer) -> str:
    if not 0 <= transfer.amount_uc <= AMOUNT_MAX_UC:
        return say("the amount of {transfer_id} is out of range", transfer_id=transfer.id)
    if transfer.debit_account == transfer.credit_account:
        return say("{transfer_id} pays from an account into itself", transfer_id=transfer.id)
    if (transfer.kind in RESOLUTIONS) != bool(transfer.pending_id):
        return say("{transfer_id} must name a hold exactly if it is a settle or a void", transfer_id=transfer.id)
    if transfer.kind is TransferKind.VOID and transfer.amount_uc:
        return say("{transfer_id} is a void and moves nothing", transfer_id=transfer.id)
    if len(transfer.subject) > ID_MAX_CHARACTERS:
        return say("the subject of {transfer_id} is too long", transfer_id=transfer.id)
    return ""


def _find_refusal(*, transfer: Transfer, known: Known, now: datetime) -> Refusal | None:
    """Return why the books can never take this transfer, or None."""
    for account_id in (transfer.debit_account, transfer.credit_account):
        if account_id not in known.accounts:
            return refuse_unknown_account(account_id=account_id)
    payer, receiver = known.accounts[transfer.debit_account], known.accounts[transfer.credit_account]
    if not may_pay(payer=payer, receiver=receiver):
        return refuse_restricted(payer=payer, receiver=receiver)
    if transfer.effective_at > now:
        return refuse_future(transfer=transfer, now=now)
    if transfer.corrects and transfer.corrects not in known.entries:
        return refuse_unknown_correction(transfer=transfer)
    if not transfer.pending_id:
        return None
    hold = known.entries.get(transfer.pending_id)
    if hold is None or not _resolves(transfer, hold.transfer):
        return refuse_unknown_hold(transfer=transfer)
    if transfer.pending_id in known.resolved_by:
        return refuse_resolved(transfer=transfer, resolved_by=known.resolved_by[transfer.pending_id])
    if transfer.amount_uc > hold.transfer.amount_uc:
        return refuse_above_hold(transfer=transfer, held_uc=hold.transfer.amount_uc)
    return None


def _resolves(transfer: Transfer, hold: Transfer) -> bool:
    return hold.kind is TransferKind.PEND and (hold.debit_account, hold.credit_account) == (
        transfer.debit_account,
        transfer.credit_account,
    )
