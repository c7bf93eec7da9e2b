"""The bank's balance on a day against the ledger's accounts of the world outside, as they were at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import OuterRef, Q, Subquery, Sum

from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.bank.reconciliation import (
    AccountBalance,
    BankedEntry,
    BookedPayment,
    Reconciliation,
    Span,
    choose_balances,
    list_gaps,
    reconcile,
)
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import (
    BankEntry,
    BankStatementEntry,
    PayOut,
    TopUp,
    Transfer,
)
from lilong.foundation.ledger.queries.bank import BankStatementMissing, read_spans
from lilong.foundation.ledger.queries.bank_payments import Valuer, read_valuer

MOVES = (TransferKind.POST, TransferKind.SETTLE)
END_OF = {"top_": TransferKind.POST.value, "pay_": TransferKind.SETTLE.value}
"""By which transfer a payment moves money, by how its id begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankReconciliation:
    """A reconciliation with the currency that it is in, and the balances that it starts from, by account."""

    currency: str
    decimals: int
    balances: tuple[AccountBalance, ...]
    result: Reconciliation


def read_reconciliation(*, actor: Actor, on: date) -> BankReconciliation:
    """Compare statements and books as of the end of a day, where the hub is; for the operator. Seven queries at most.

    The same tables give the same answer, whichever order statements came in. Cost: linear in entries and payments until
    then. Raises RateMissing, and BankStatementMissing before the first statement.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    valuer, spans = read_valuer(), read_spans()
    balances = _read_balances(choose_balances(spans=spans, on=on), on)
    if not balances:
        raise BankStatementMissing(detail=say("No bank statement begins on {day} or before.", day=on.isoformat()))
    entries = _list_entries(on)
    result = reconcile(
        on=on,
        balances=balances,
        gaps=[gap for gap in list_gaps(spans=spans) if gap.before <= on],
        entries=[entry for entry in entries if entry.booked_on <= on],
        moves=_list_moves(valuer, end=valuer.find_end(on)),
        matched={entry.payment_id for entry in entries},
    )
    return BankReconciliation(
        currency=valuer.currency, decimals=valuer.decimals, balances=tuple(balances), result=result
    )


def _read_balances(chosen: Sequence[tuple[Span, Span]], on: date) -> list[AccountBalance]:
    """Return the balances of accounts by their first statement and the one that says it. One query at most."""
    within = [latest.id for _, latest in chosen if latest.ends_on > on]
    lines = BankStatementEntry.objects.filter(statement_id__in=within, entry__booked_on__lte=on)
    booked = dict(lines.values_list("statement_id").annotate(sum=Sum("entry__amount_minor"))) if within else {}
    return [
        AccountBalance(
            account=first.account,
            first_id=first.id,
            first_on=first.begins_on,
            opening_minor=first.opening_minor,
            balance_minor=latest.opening_minor + booked.get(latest.id, 0)
            if latest.ends_on > on
            else latest.closing_minor,
            until=min(latest.ends_on, on),
        )
        for first, latest in chosen
    ]


def _list_entries(on: date) -> list[BankedEntry]:
    """Return the entries until a day, and later ones that are matched. One query."""
    first = BankStatementEntry.objects.filter(entry=OuterRef("pk")).order_by("statement_id").values("statement_id")[:1]
    rows = BankEntry.objects.filter(Q(booked_on__lte=on) | Q(match__isnull=False)).select_related("match")
    return [
        BankedEntry(
            id=row.id,
            statement_id=row.statement_id,
            booked_on=row.booked_on,
            amount_minor=row.amount_minor,
            payment_id=row.match.payment_id if hasattr(row, "match") else "",
            text=row.counterparty or row.remittance or row.bank_reference,
        )
        for row in rows.defer("identity", "end_to_end").annotate(statement_id=Subquery(first))
    ]


def _list_moves(valuer: Valuer, *, end: datetime) -> list[BookedPayment]:
    """Return what moved between the hub and outside until a moment, each as the payment that it was. Two queries."""
    is_outside = Q(debit_account__kind=AccountKind.OUTSIDE) ^ Q(credit_account__kind=AccountKind.OUTSIDE)
    transfers = Transfer.objects.filter(is_outside, kind__in=MOVES, effective_at__lt=end)
    rows = transfers.values_list("id", "debit_account__kind", "amount_uc", "effective_at", "code")
    top_ups = TopUp.objects.filter(state=TopUpState.POSTED).values_list("id", "requested_at", "reference")
    pay_outs = PayOut.objects.filter(state=PayOutState.SENT).values_list("id", "requested_at", "beneficiary")
    payments = {
        f"{payment_id}.{END_OF[payment_id[:4]]}": (payment_id, asked_at, text)
        for payment_id, asked_at, text in top_ups.union(pay_outs, all=True)
    }
    moves: list[BookedPayment] = []
    for transfer_id, debit_kind, amount_uc, effective_at, code in rows:
        payment_id, valued_at, text = payments.get(transfer_id, ("", effective_at, code))
        sign = 1 if debit_kind == AccountKind.OUTSIDE else -1
        moves.append(
            BookedPayment(
                transfer_id=transfer_id,
                payment_id=payment_id,
                booked_on=valuer.find_day(effective_at),
                amount_uc=sign * amount_uc,
                worth_minor=sign * valuer.worth_minor(amount_uc=amount_uc, at=valued_at),
                text=text,
            )
        )
    return moves
