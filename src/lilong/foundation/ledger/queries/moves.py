"""What moved on the accounts that an organisation pays from."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.transfers import TransferView, view_transfers

PAYING_KINDS = (AccountKind.WALLET, AccountKind.PROJECT_BUDGET, AccountKind.VOUCHER)
MOVING_KINDS = (TransferKind.POST, TransferKind.SETTLE)


@dataclass(frozen=True, slots=True)
class Move:
    """Money that entered (above zero) or left one account that its owner pays from; purpose: the account's."""

    transfer: TransferView
    kind: AccountKind
    purpose: str
    other_kind: AccountKind
    change_uc: int


def list_moves(*, owner_id: str, begin: datetime, end: datetime) -> list[Move]:
    """Return what counts for `begin` <= moment < `end` on the owner's wallet, budgets and vouchers, holds left out.

    In the order of moment, group and id, whatever the database. Two queries. Cost: linear in moves.
    """
    own = Account.objects.filter(owner_id=owner_id, kind__in=PAYING_KINDS).values("pk")
    within = Transfer.objects.filter(
        kind__in=MOVING_KINDS, amount_uc__gt=0, effective_at__gte=begin, effective_at__lt=end
    ).select_related("debit_account", "credit_account")
    # Either side has an index of its own; one query for both would read all of the accounts' transfers.
    moves = [
        *(_leave(row) for row in within.filter(debit_account__in=own)),
        *(_enter(row) for row in within.filter(credit_account__in=own)),
    ]
    return sorted(moves, key=lambda move: (move.transfer.effective_at, move.transfer.group_id, move.transfer.id))


def list_payers(*, begin: datetime, end: datetime, after: str, limit: int) -> list[str]:
    """Return who has a wallet, budget or voucher on which anything counts for `begin` <= moment < `end`, by id.

    after: the last one known; at most `limit`. One query.
    """
    within = {"kind__in": MOVING_KINDS, "amount_uc__gt": 0, "effective_at__gte": begin, "effective_at__lt": end}
    moved = Exists(Transfer.objects.filter(debit_account=OuterRef("pk"), **within)) | Exists(
        Transfer.objects.filter(credit_account=OuterRef("pk"), **within)
    )
    payers = Account.objects.filter(moved, kind__in=PAYING_KINDS, owner_id__gt=after)
    return list(payers.order_by("owner_id").values_list("owner_id", flat=True).distinct()[:limit])


def _leave(row: Transfer) -> Move:
    return _view(row, own=row.debit_account, other=row.credit_account, change_uc=-row.amount_uc)


def _enter(row: Transfer) -> Move:
    return _view(row, own=row.credit_account, other=row.debit_account, change_uc=row.amount_uc)


def _view(row: Transfer, *, own: Account, other: Account, change_uc: int) -> Move:
    return Move(
        transfer=view_transfers(rows=[row])[0],
        kind=AccountKind(own.kind),
        purpose=own.purpose,
        other_kind=AccountKind(other.kind),
        change_uc=change_uc,
    )
