"""The books of a closed period as files for auditors: trial balances, and every transfer; streamed."""

from collections.abc import Iterator
from datetime import datetime

from lilong.common.time import format_moment
from lilong.foundation.ledger.core.as_of import AsOf
from lilong.foundation.ledger.core.payments import PayOutState
from lilong.foundation.ledger.models import PayOut, Transfer
from lilong.foundation.ledger.queries.as_of import sum_kinds_as_of
from lilong.foundation.ledger.queries.payments import PayOutView, view_pay_out
from lilong.protocol.audit_pack import MOVES_COLUMNS, TRIAL_COLUMNS
from lilong.protocol.exports import render_csv

ROWS_AT_ONCE = 2_000


def export_trial_balance(*, as_of: AsOf) -> bytes:
    """Return what all accounts of each kind held together at a moment, as CSV. Cost: see `sum_kinds_as_of`."""
    rows = [
        {
            "kind": line.kind.value,
            "accounts": line.accounts,
            "posted_uc": line.balance.posted_uc,
            "pending_out_uc": line.balance.pending_out_uc,
            "pending_in_uc": line.balance.pending_in_uc,
        }
        for line in sum_kinds_as_of(as_of=as_of)
    ]
    return render_csv(columns=TRIAL_COLUMNS, rows=rows)


def export_transfers(*, begin: datetime, end: datetime) -> Iterator[bytes]:
    """Yield every transfer that counts for `begin` <= moment < `end` as CSV, in the order of the journal.

    One query. Memory is bounded by ROWS_AT_ONCE.
    """
    yield render_csv(columns=MOVES_COLUMNS, rows=[])
    within = Transfer.objects.filter(effective_at__gte=begin, effective_at__lt=end)
    ordered = within.select_related("debit_account", "credit_account").order_by("effective_at", "recorded_at", "pk")
    for row in ordered.iterator(chunk_size=ROWS_AT_ONCE):
        written = render_csv(columns=MOVES_COLUMNS, rows=[_write(row)])
        yield written.partition(b"\n")[2]


def list_closed_pay_outs(*, begin: datetime, end: datetime) -> list[PayOutView]:
    """Return the pay-outs that were sent or refused for `begin` <= moment < `end`, by id. One query."""
    states = [PayOutState.SENT.value, PayOutState.REFUSED.value]
    closed = PayOut.objects.filter(state__in=states, closed_at__gte=begin, closed_at__lt=end)
    return [view_pay_out(row=row) for row in closed.order_by("id")]


def _write(row: Transfer) -> dict[str, str | int]:
    return {
        "id": row.id,
        "link_id": row.group_id,
        "kind": row.kind,
        "pending_id": row.pending_id or "",
        "debit_account": row.debit_account_id,
        "credit_account": row.credit_account_id,
        "debit_role": row.debit_account.kind,
        "credit_role": row.credit_account.kind,
        "amount_uc": row.amount_uc,
        "code": row.code,
        "subject": row.subject,
        "effective_at": format_moment(row.effective_at),
        "recorded_at": format_moment(row.recorded_at),
        "held_uc": "" if row.held_uc is None else row.held_uc,
        "corrects": row.corrects_id or "",
    }
