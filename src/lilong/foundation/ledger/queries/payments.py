"""Top-ups and pay-outs as they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.core.payments import ManualBankTransfer, Payment, PayOutState, TopUpState
from lilong.foundation.ledger.models import PayOut, TopUp

RAIL = ManualBankTransfer()


class TopUpMissing(NotFound):
    """There is no such top-up that the actor may see."""

    code = "ledger.top_up_missing"
    title = "There is no such top-up"


class PayOutMissing(NotFound):
    """There is no such pay-out that the actor may see."""

    code = "ledger.pay_out_missing"
    title = "There is no such pay-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpView:
    """A top-up as it stands."""

    id: str
    organisation_id: str
    account_id: str
    amount_uc: int
    reference: str
    requested_at: datetime
    case_id: str
    state: TopUpState
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayOutView:
    """A pay-out as it stands; `instruction` says what has to be done outside once it is approved."""

    id: str
    organisation_id: str
    account_id: str
    amount_uc: int
    beneficiary: str
    requested_at: datetime
    case_id: str
    state: PayOutState
    instruction: str
    bank_reference: str
    closed_at: datetime | None


def get_top_up(*, actor: Actor, top_up_id: str) -> TopUpView:
    """Return a top-up that the actor may see; raises TopUpMissing."""
    top_up = TopUp.objects.visible_to(actor).filter(pk=top_up_id).first()
    if top_up is None:
        raise TopUpMissing(detail=say("There is no top-up {top_up_id} that you can see.", top_up_id=top_up_id[:64]))
    return _view_top_up(top_up)


def list_top_ups(*, actor: Actor, cursor: str | None, limit: int) -> Page[TopUpView]:
    """Return one page of the top-ups that the actor may see, newest first. One query."""
    page = page_newest_first(TopUp.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=[_view_top_up(row) for row in page.items], next_cursor=page.next_cursor)


def get_pay_out(*, actor: Actor, pay_out_id: str) -> PayOutView:
    """Return a pay-out that the actor may see; raises PayOutMissing."""
    pay_out = PayOut.objects.visible_to(actor).filter(pk=pay_out_id).first()
    if pay_out is None:
        raise PayOutMissing(
            detail=say("There is no pay-out {pay_out_id} that you can see.", pay_out_id=pay_out_id[:64])
        )
    return view_pay_out(row=pay_out)


def list_pay_outs(*, actor: Actor, cursor: str | None, limit: int) -> Page[PayOutView]:
    """Return one page of the pay-outs that the actor may see, newest first. One query."""
    page = page_newest_first(PayOut.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=[view_pay_out(row=row) for row in page.items], next_cursor=page.next_cursor)


def list_approved_pay_outs(*, actor: Actor, limit: int) -> list[PayOutView]:
    """Return pay-outs that are approved and not sent yet, oldest first; for the operator. One query."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    return [view_pay_out(row=row) for row in PayOut.objects.filter(state=PayOutState.APPROVED).order_by("pk")[:limit]]


def list_waiting_top_ups(*, after: str, limit: int) -> dict[str, str]:
    """Return the cases of top-ups that wait for a decision, by top-up, in order of id, from after `after` on."""
    waiting = TopUp.objects.filter(state=TopUpState.REQUESTED, pk__gt=after).order_by("pk")
    return dict(waiting.values_list("pk", "case_id")[:limit])


def list_waiting_pay_outs(*, after: str, limit: int) -> dict[str, str]:
    """Return the cases of pay-outs that wait for a decision, by pay-out, in order of id, from after `after` on."""
    waiting = PayOut.objects.filter(state=PayOutState.REQUESTED, pk__gt=after).order_by("pk")
    return dict(waiting.values_list("pk", "case_id")[:limit])


def list_refused_top_ups(*, among: Sequence[str]) -> list[str]:
    """Return which of these top-ups are refused: after an appeal their money is entered all the same."""
    if not among:
        return []
    refused = TopUp.objects.filter(pk__in=among, state=TopUpState.REFUSED)
    return list(refused.order_by("id").values_list("id", flat=True))


def _view_top_up(row: TopUp) -> TopUpView:
    return TopUpView(
        id=row.id,
        organisation_id=row.organisation_id,
        account_id=row.account_id,
        amount_uc=row.amount_uc,
        reference=row.reference,
        requested_at=row.requested_at,
        case_id=row.case_id,
        state=TopUpState(row.state),
        closed_at=row.closed_at,
    )


def view_pay_out(*, row: PayOut) -> PayOutView:
    """Return the row as others see it."""
    payment = Payment(token=row.id, beneficiary=row.beneficiary, amount_uc=row.amount_uc)
    return PayOutView(
        id=row.id,
        organisation_id=row.organisation_id,
        account_id=row.account_id,
        amount_uc=row.amount_uc,
        beneficiary=row.beneficiary,
        requested_at=row.requested_at,
        case_id=row.case_id,
        state=PayOutState(row.state),
        instruction=RAIL.instruct(payment=payment) if row.state == PayOutState.APPROVED else "",
        bank_reference=row.bank_reference,
        closed_at=row.closed_at,
    )
