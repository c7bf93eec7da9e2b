"""Transfers: of an account, about a subject, still held, and as CSV."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from lilong.common.django.paging import LimitInvalid
from lilong.common.paging import PAGE_LIMIT_MAX, CursorInvalid, Page, decode_cursor, encode_cursor
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.common.time import MomentInvalid, format_moment, parse_moment
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.accounts import AccountMissing
from lilong.protocol.exports import TRANSFER_COLUMNS, render_csv


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferView:
    """A transfer as it stands in the books."""

    id: str
    group_id: str
    kind: TransferKind
    debit_account: str
    credit_account: str
    debit_kind: AccountKind
    credit_kind: AccountKind
    amount_uc: int
    pending_id: str | None
    held_uc: int | None
    code: str
    subject: str
    effective_at: datetime
    recorded_at: datetime
    corrects: str | None


def list_transfers(*, subject: str) -> list[TransferView]:
    """Return every transfer about `subject`, in the order in which they were written. One query."""
    rows = Transfer.objects.filter(subject=subject).exclude(subject="")
    return _views(rows.select_related("debit_account", "credit_account"))


def list_open_holds(*, before: datetime, limit: int) -> list[TransferView]:
    """Return holds that count from before `before` and that nothing has resolved, oldest first. One query.

    Cost: linear in all holds.
    """
    resolved = Exists(Transfer.objects.filter(pending=OuterRef("pk")))
    held = Transfer.objects.filter(~resolved, kind=TransferKind.PEND, effective_at__lt=before)
    rows = held.select_related("debit_account", "credit_account").order_by("effective_at", "pk")
    return _views(rows[:limit])


def list_account_transfers(*, actor: Actor, account_id: str, cursor: str | None, limit: int) -> Page[TransferView]:
    """Return one page of an account's transfers, those that count latest first. Three queries.

    Raises AccountMissing, CursorInvalid, LimitInvalid.
    """
    if not 1 <= limit <= PAGE_LIMIT_MAX:
        raise LimitInvalid(facts={"limit": PAGE_LIMIT_MAX, "asked": limit})
    if not Account.objects.visible_to(actor).filter(pk=account_id).exists():
        raise AccountMissing(
            detail=say("There is no account {account_id} that you can see.", account_id=account_id[:64])
        )
    earlier = read_position(cursor=cursor) if cursor else Q()
    found = latest_transfers(account_id=account_id, where=earlier, count=limit + 1)
    items = [_view(row) for row in found[:limit]]
    last = items[-1] if len(found) > limit else None
    return Page(
        items=items, next_cursor=encode_cursor(f"{format_moment(last.effective_at)} {last.id}") if last else None
    )


def export_csv(*, subject: str) -> bytes:
    """Return every transfer about `subject` as transfers.csv of docs/reference/exports.md: equal books, equal bytes."""
    rows = [
        {
            "id": view.id,
            "link_id": view.group_id,
            "kind": view.kind.value,
            "pending_id": view.pending_id or "",
            "debit_account": view.debit_account,
            "credit_account": view.credit_account,
            "debit_role": view.debit_kind.value,
            "credit_role": view.credit_kind.value,
            "amount_uc": view.amount_uc,
            "code": view.code,
            "subject": view.subject,
            "effective_at": format_moment(view.effective_at),
            "recorded_at": format_moment(view.recorded_at),
        }
        for view in list_transfers(subject=subject)
    ]
    return render_csv(columns=TRANSFER_COLUMNS, rows=rows)


def latest_transfers(*, account_id: str, where: Q, count: int) -> list[Transfer]:
    """Return up to `count` transfers of an account with both accounts, those that count latest first. Two queries."""
    # Either side has an index of its own; one query for both would read all of the account's transfers.
    sides = (Q(debit_account=account_id), Q(credit_account=account_id))
    found = [row for side in sides for row in _latest(Transfer.objects.filter(side, where), count=count)]
    found.sort(key=lambda row: (row.effective_at, row.id), reverse=True)
    return found


def view_transfers(*, rows: Iterable[Transfer]) -> list[TransferView]:
    """Return rows as others see them, in the order given."""
    return [_view(row) for row in rows]


def _latest(rows: QuerySet[Transfer], *, count: int) -> list[Transfer]:
    return list(rows.select_related("debit_account", "credit_account").order_by("-effective_at", "-pk")[:count])


def read_position(*, cursor: str) -> Q:
    """Return what keeps the transfers after a cursor; raises CursorInvalid."""
    moment, _, transfer_id = decode_cursor(cursor).partition(" ")
    try:
        effective_at = parse_moment(moment)
    except MomentInvalid as error:
        raise CursorInvalid(detail=say("{cursor!r} is not a cursor of this list.", cursor=cursor[:80])) from error
    return Q(effective_at__lt=effective_at) | Q(effective_at=effective_at, pk__lt=transfer_id)


def _views(rows: Iterable[Transfer]) -> list[TransferView]:
    """Return views by the moment of writing and id; sorted here, since databases sort texts in different ways."""
    return sorted(map(_view, rows), key=lambda view: (view.recorded_at, view.id))


def _view(row: Transfer) -> TransferView:
    return TransferView(
        id=row.id,
        group_id=row.group_id,
        kind=TransferKind(row.kind),
        debit_account=row.debit_account_id,
        credit_account=row.credit_account_id,
        debit_kind=AccountKind(row.debit_account.kind),
        credit_kind=AccountKind(row.credit_account.kind),
        amount_uc=row.amount_uc,
        pending_id=row.pending_id,
        held_uc=row.held_uc,
        code=row.code,
        subject=row.subject,
        effective_at=row.effective_at,
        recorded_at=row.recorded_at,
        corrects=row.corrects_id,
    )
