"""What moved on the accounts that an organisation pays from."""

from dataclasses import dataclass
from datetime import datetime

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

    In the order of moment, group and id, whatever the database. Three queries. Cost: linear in moves.
    """
    own = {row.id: row for row in Account.objects.filter(owner_id=owner_id, kind__in=PAYING_KINDS)}
    within = Transfer.objects.filter(
        kind__in=MOVING_KINDS, amount_uc__gt=0, effective_at__gte=begin, effective_at__lt=end
    ).select_related("debit_account", "credit_account")
    # Either side has an index of its own; one query for both would read all of the accounts' transfers.
    left = view_transfers(rows=within.filter(debit_account__in=own))
    entered = view_transfers(rows=within.filter(credit_account__in=own))
    moves = [
        *(_view(each, own[each.debit_account], each.credit_kind, -each.amount_uc) for each in left),
        *(_view(each, own[each.credit_account], each.debit_kind, each.amount_uc) for each in entered),
    ]
    return sorted(moves, key=lambda move: (move.transfer.effective_at, move.transfer.group_id, move.transfer.id))


def _view(transfer: TransferView, account: Account, other_kind: AccountKind, change_uc: int) -> Move:
    return Move(
        transfer=transfer,
        kind=AccountKind(account.kind),
        purpose=account.purpose,
        other_kind=other_kind,
        change_uc=change_uc,
    )
