"""An account as a statement: its transfers with the balance after each; and one transfer with what belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from lilong.common.errors import NotFound
from lilong.common.paging import encode_cursor
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.ledger.core.posting import Change
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import Transfer
from lilong.foundation.ledger.queries.accounts import AccountView, get_account, sum_until
from lilong.foundation.ledger.queries.transfers import TransferView, latest_transfers, read_position, view_transfers

GROUP_MAX = 200


class TransferMissing(NotFound):
    """There is no such transfer that the actor may see."""

    code = "ledger.transfer_missing"
    title = "There is no such transfer"
    next_step = "Look at the transfers of an account: `GET /api/v1/accounts/{id}/transfers`."


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transfer as one account sees it: what it changed of the posted sum, and that sum after it."""

    transfer: TransferView
    other_account: str
    change_uc: int
    balance_uc: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account and a page of its lines, those that count latest first."""

    account: AccountView
    lines: Sequence[StatementLine]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TransferSheet:
    """A transfer, what was posted with it, and what ended or put it right later.

    group: transfers of the same group about the same subject, this one among them.
    """

    transfer: TransferView
    group: Sequence[TransferView]
    later: Sequence[TransferView]


def get_statement(*, actor: Actor, account_id: str, cursor: str | None, limit: int) -> Statement:
    """Return a page of an account's statement; raises AccountMissing, CursorInvalid. Eight queries at most.

    Cost: linear in the account's transfers after the page, or in a closed period since the one before it ended.
    """
    account = get_account(actor=actor, account_id=account_id)
    earlier = read_position(cursor=cursor) if cursor else Q()
    rows = latest_transfers(account_id=account_id, where=earlier, count=limit + 1)
    shown = view_transfers(rows=rows[:limit])
    if not shown:
        return Statement(account=account, lines=[], next_cursor=None)
    first = shown[0]
    balance_uc = sum_until(account_ids=[account_id], at=first.effective_at).get(account_id, Change()).posted_uc
    balance_uc -= sum(_change(later, account_id) for later in _list_later_ties(account_id, first))
    lines: list[StatementLine] = []
    for transfer in shown:
        change_uc = _change(transfer, account_id)
        is_debit = transfer.debit_account == account_id
        other = transfer.credit_account if is_debit else transfer.debit_account
        lines.append(StatementLine(transfer=transfer, other_account=other, change_uc=change_uc, balance_uc=balance_uc))
        balance_uc -= change_uc
    return Statement(account=account, lines=lines, next_cursor=_encode(shown[-1]) if len(rows) > limit else None)


def get_transfer_sheet(*, actor: Actor, transfer_id: str) -> TransferSheet:
    """Return a transfer that the actor may see with what belongs to it; raises TransferMissing. Three queries.

    A group is looked for among the transfers about the same subject, or without one among those of both accounts at
    the same moment: so no index of groups burdens every posting.
    """
    seen = Transfer.objects.visible_to(actor).select_related("debit_account", "credit_account")
    row = seen.filter(pk=transfer_id).first()
    if row is None:
        raise TransferMissing(
            detail=say("There is no transfer {transfer_id} that you can see.", transfer_id=transfer_id[:64])
        )
    if row.subject:
        beside = Q(subject=row.subject)
    else:
        accounts = [row.debit_account_id, row.credit_account_id]
        beside = Q(debit_account__in=accounts, effective_at=row.effective_at) | Q(
            credit_account__in=accounts, effective_at=row.effective_at
        )
    group = seen.filter(beside, group_id=row.group_id).order_by("recorded_at", "pk")[:GROUP_MAX]
    ends = Q(pending=row) | Q(corrects=row, subject=row.subject) if row.subject else Q(pending=row)
    later = seen.filter(ends).order_by("recorded_at", "pk")
    return TransferSheet(
        transfer=view_transfers(rows=[row])[0],
        group=view_transfers(rows=group),
        later=view_transfers(rows=later[:GROUP_MAX]),
    )


def sum_about(*, account_id: str, subjects: Sequence[str]) -> int:
    """Return what transfers about these subjects have moved into an account, less what they took. One query."""
    if not subjects:
        return 0
    mine = Q(debit_account=account_id) | Q(credit_account=account_id)
    rows = Transfer.objects.filter(mine, subject__in=subjects).exclude(kind=TransferKind.PEND)
    moved = rows.values_list("credit_account_id", "amount_uc")
    return sum(amount_uc if credited == account_id else -amount_uc for credited, amount_uc in moved)


def _list_later_ties(account_id: str, first: TransferView) -> list[TransferView]:
    """Return what counts for the same moment as `first` and stands on the page before it."""
    mine = Q(debit_account=account_id) | Q(credit_account=account_id)
    ties = Transfer.objects.filter(mine, effective_at=first.effective_at, pk__gt=first.id)
    return view_transfers(rows=ties.select_related("debit_account", "credit_account"))


def _encode(last: TransferView) -> str:
    return encode_cursor(f"{format_moment(last.effective_at)} {last.id}")


def _change(transfer: TransferView, account_id: str) -> int:
    moved_uc = 0 if transfer.kind is TransferKind.PEND else transfer.amount_uc
    return -moved_uc if transfer.debit_account == account_id else moved_uc
