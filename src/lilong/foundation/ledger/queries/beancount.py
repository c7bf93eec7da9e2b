"""The whole books as a Beancount file."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db.models import Min

from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.beancount import AccountLine, TransferLine, render_beancount
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.accounts import BEGINNING
from lilong.foundation.ledger.sql import sum_transfers

ROWS_AT_ONCE = 2_000


def export_beancount(*, title: str, end: datetime) -> Iterator[str]:
    """Yield the books as Beancount text: all that counts for moments before `end`, holds left out.

    Take the end of a closed period, or a moment that nobody enters transfers for any more, for a file that stays
    the same. Cost: linear in transfers.
    """
    sums = sum_transfers(account_ids=None, begin=BEGINNING, end=end)
    first_at: datetime = Transfer.objects.aggregate(first_at=Min("effective_at"))["first_at"] or end
    return render_beancount(
        title=title,
        accounts=[
            AccountLine(
                id=account.id,
                kind=AccountKind(account.kind),
                opened_on=min(account.opened_at, first_at).astimezone(UTC).date(),
                posted_uc=sums[account.id].posted_uc,
            )
            for account in Account.objects.filter(pk__in=sums).order_by("pk")
        ],
        transfers=_list_moves(end=end),
        until=end.astimezone(UTC).date() + timedelta(days=1),
    )


def _list_moves(*, end: datetime) -> Iterator[TransferLine]:
    moves = Transfer.objects.filter(kind__in=(TransferKind.POST, TransferKind.SETTLE), effective_at__lt=end)
    for row in moves.order_by("effective_at", "recorded_at", "pk").iterator(chunk_size=ROWS_AT_ONCE):
        yield TransferLine(
            id=row.id,
            group_id=row.group_id,
            on=row.effective_at.astimezone(UTC).date(),
            debit_account=row.debit_account_id,
            credit_account=row.credit_account_id,
            amount_uc=row.amount_uc,
            code=row.code,
            subject=row.subject,
        )
