"""Top-ups and pay-outs as an entry of a statement can be one: with what they are worth in the statements' currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from lilong.common.django.rates import list_rates
from lilong.common.rates import Rate, choose_rate
from lilong.common.time import find_zone
from lilong.foundation.ledger.core.bank.matching import (
    ExpectedPayment,
    Finding,
    PaymentKind,
    PaymentStage,
    Proposal,
    propose,
    worth_minor,
)
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState
from lilong.foundation.ledger.models import BankEntry, BankMatch, BankStatement, PayOut, TopUp

APART_MAX = timedelta(days=180)
"""How far an entry and the asking for its payment may be apart; of what is further, none is looked for."""
TOP_UP_STAGES = {
    TopUpState.REQUESTED: PaymentStage.ASKED,
    TopUpState.POSTED: PaymentStage.BOOKED,
    TopUpState.REFUSED: PaymentStage.REFUSED,
}
PAY_OUT_STAGES = {
    PayOutState.REQUESTED: PaymentStage.ASKED,
    PayOutState.APPROVED: PaymentStage.APPROVED,
    PayOutState.SENT: PaymentStage.BOOKED,
    PayOutState.REFUSED: PaymentStage.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuer:
    """Says what credits are worth in the currency of the statements, and on which day of the hub a moment lies."""

    currency: str
    decimals: int
    rates: Sequence[Rate]
    zone: tzinfo

    def worth_minor(self, *, amount_uc: int, at: datetime) -> int:
        """Return the worth at a moment in the currency's smallest unit; raises RateMissing."""
        rate = choose_rate(rates=self.rates, at=at)
        return worth_minor(amount_uc=amount_uc, millionths=rate.millionths, decimals=self.decimals)

    def find_worth_minor(self, *, amount_uc: int, at: datetime) -> int | None:
        """Return the worth at a moment, or None where no rate says what it was."""
        has_rate = any(rate.valid_from <= at for rate in self.rates)
        return self.worth_minor(amount_uc=amount_uc, at=at) if has_rate else None

    def find_day(self, moment: datetime) -> date:
        """Return the day of a moment, as it is where the hub is."""
        return moment.astimezone(self.zone).date()

    def find_end(self, day: date) -> datetime:
        """Return the first moment after a day."""
        return datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)


def read_valuer() -> Valuer:
    """Return what values payments in the currency of the statements that are here. One query."""
    found = BankStatement.objects.values_list("currency", "decimals").first()
    currency, decimals = found or ("", 0)
    return Valuer(
        currency=currency,
        decimals=decimals,
        rates=[rate for rate in list_rates() if rate.currency == currency],
        zone=find_zone(name=settings.LILONG.time_zone),
    )


def find_today(*, now: datetime) -> date:
    """Return the present day where the hub is."""
    return now.astimezone(find_zone(name=settings.LILONG.time_zone)).date()


def propose_payments(*, entries: Sequence[BankEntry]) -> dict[str, Proposal]:
    """Return what each entry is, as somebody confirmed, or as it is held for, by entry; with their matches at hand.

    Three queries. Cost: linear in the payments that were asked for within APART_MAX of the entries, for each entry.
    """
    if not entries:
        return {}
    confirmed = {entry.id: entry.match.payment_id for entry in entries if hasattr(entry, "match")}
    payments = _read_payments([entry.booked_on for entry in entries], sorted(confirmed.values()))
    by_id = {payment.id: payment for payment in payments}
    return {
        entry.id: Proposal(Finding.MATCHED, (by_id[confirmed[entry.id]],))
        if entry.id in confirmed
        else propose(
            amount_minor=entry.amount_minor,
            text=f"{entry.end_to_end} {entry.remittance} {entry.bank_reference}",
            payments=payments,
        )
        for entry in entries
    }


def _read_payments(days: Sequence[date], payment_ids: Sequence[str]) -> list[ExpectedPayment]:
    """Return the payments asked for around these days, and those named, in the order in which they were asked for."""
    valuer = read_valuer()
    begin, end = valuer.find_end(min(days) - APART_MAX), valuer.find_end(max(days) + APART_MAX)
    wanted = Q(requested_at__gte=begin, requested_at__lt=end) | Q(pk__in=payment_ids)
    matched = Exists(BankMatch.objects.filter(payment_id=OuterRef("pk")))
    top_ups = TopUp.objects.filter(wanted).order_by("pk").annotate(is_matched=matched)
    pay_outs = PayOut.objects.filter(wanted).order_by("pk").annotate(is_matched=matched)
    return [
        *(_view_payment(row, valuer, is_matched=row.is_matched) for row in top_ups),
        *(_view_payment(row, valuer, is_matched=row.is_matched) for row in pay_outs),
    ]


def _view_payment(row: TopUp | PayOut, valuer: Valuer, *, is_matched: bool) -> ExpectedPayment:
    is_top_up = isinstance(row, TopUp)
    return ExpectedPayment(
        id=row.id,
        kind=PaymentKind.TOP_UP if is_top_up else PaymentKind.PAY_OUT,
        stage=TOP_UP_STAGES[TopUpState(row.state)] if is_top_up else PAY_OUT_STAGES[PayOutState(row.state)],
        case_id=row.case_id,
        organisation_id=row.organisation_id,
        references=(row.id, row.reference if isinstance(row, TopUp) else row.bank_reference),
        amount_uc=row.amount_uc,
        amount_minor=valuer.find_worth_minor(amount_uc=row.amount_uc, at=row.requested_at),
        asked_on=valuer.find_day(row.requested_at),
        is_matched=is_matched,
    )
