"""Top-ups and pay-outs: money enters and leaves when two people of the hub approve, neither of them concerned."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.errors import Conflict, FieldProblem, InputInvalid, NotAllowed
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.cases.public import CaseState, open_case
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState, find_next_state
from lilong.foundation.ledger.core.transfers import AMOUNT_MAX_UC, RESOLUTIONS, LinkGroup, Transfer, TransferKind
from lilong.foundation.ledger.models import Account, PayOut, TopUp
from lilong.foundation.ledger.queries.payments import PayOutMissing
from lilong.foundation.ledger.services.accounts import open_account
from lilong.foundation.ledger.services.posting import post_many, require_posted
from lilong.foundation.notices.public import post_notice
from lilong.foundation.record.public import append, is_restoring

PAYERS = frozenset({Role.OWNER, Role.BILLING, Role.OPERATOR})
TOP_UP_CASE, PAY_OUT_CASE = "ledger.top_up", "ledger.pay_out"


class AmountOutOfRange(InputInvalid):
    """The amount is not one that can be paid."""

    code = "ledger.amount_out_of_range"
    title = "This amount is out of range"
    next_step = f"Ask for 1 to {AMOUNT_MAX_UC} micro-credits."


class ReferenceUsed(Conflict):
    """A top-up with this reference and another amount is there already."""

    code = "ledger.reference_used"
    title = "This payment was entered already"
    next_step = "Name the reference of another payment."


class PayOutNotApproved(Conflict):
    """The pay-out is not waiting to be sent."""

    code = "ledger.pay_out_not_approved"
    title = "This pay-out is not waiting to be sent"
    next_step = "Read its state; send only what two people have approved."


class PayOutsFrozen(Conflict):
    """The hub was restored from a backup, and statements are not matched yet."""

    code = "ledger.pay_outs_frozen"
    title = "Pay-outs are frozen after a restore"
    next_step = "Match the bank's statements with the books, then end the restore."
    retryable = True


def request_top_up(*, actor: Actor, organisation_id: str, amount_uc: int, reference: str, now: datetime) -> str:
    """Ask that money which came in under `reference` is entered into an organisation's wallet; return the case.

    The same reference and amount again is the same request. Raises NotAllowed, AmountOutOfRange, ReferenceUsed.
    """
    _require_payer(actor, organisation_id=organisation_id, amount_uc=amount_uc)
    with transaction.atomic():
        wallet = open_account(kind=AccountKind.WALLET, owner_id=organisation_id, purpose="", now=now)
        Account.objects.select_for_update(no_key=True).get(pk=wallet)  # one request of an organisation at a time
        known = TopUp.objects.filter(organisation_id=organisation_id, reference=reference).first()
        if known and known.amount_uc != amount_uc:
            raise ReferenceUsed(
                detail=say(
                    "{reference} was entered with {amount_uc} micro-credits.",
                    reference=reference,
                    amount_uc=known.amount_uc,
                )
            )
        if known:
            return known.case_id
        top_up = TopUp(
            id=new_id("top"),
            organisation_id=organisation_id,
            account_id=wallet,
            amount_uc=amount_uc,
            reference=reference,
            requested_by=actor.person_id,
            requested_at=now,
            state=TopUpState.REQUESTED,
        )
        facts: dict[str, Json] = {"amount_uc": amount_uc, "reference": reference}
        top_up.case_id = _open_case(actor, TOP_UP_CASE, top_up.id, organisation_id, facts, now=now)
        top_up.save(force_insert=True)
    return top_up.case_id


def close_top_up(*, top_up_id: str, decision: CaseState, now: datetime) -> None:
    """Enter the money of an approved top-up, also after an appeal, or close a refused one. Idempotent."""
    with transaction.atomic():
        top_up = TopUp.objects.select_for_update().get(pk=top_up_id)
        after = find_next_state(state=TopUpState(top_up.state), decision=decision)
        if after is None:
            return
        top_up.state, top_up.closed_at = after, now
        top_up.save(update_fields=["state", "closed_at"])
        _tell("ledger.top_up_" + top_up.state, top_up, {"reference": top_up.reference}, now=now)
        if decision is CaseState.REFUSED:
            return
        outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="top_up", now=now)
        transfer = _build(top_up, TransferKind.POST, debit=outside, credit=top_up.account_id, code="top_up", now=now)
        require_posted(results=post_many(groups=[LinkGroup(id=transfer.id, transfers=(transfer,))], now=now))
        _record(TOP_UP_CASE, top_up, {"reference": top_up.reference}, now=now)


def request_pay_out(*, actor: Actor, organisation_id: str, amount_uc: int, beneficiary: str, now: datetime) -> str:
    """Ask for earned money to be paid to `beneficiary`; its amount is held at once. Return the pay-out's id.

    Raises NotAllowed, AmountOutOfRange, PayOutsFrozen, and ShortOfFunds when less is available.
    """
    _require_payer(actor, organisation_id=organisation_id, amount_uc=amount_uc)
    _require_not_restoring(now=now)
    with transaction.atomic():
        account = open_account(kind=AccountKind.PROVIDER_AVAILABLE, owner_id=organisation_id, purpose="", now=now)
        pay_out = PayOut(
            id=new_id("pay"),
            organisation_id=organisation_id,
            account_id=account,
            amount_uc=amount_uc,
            beneficiary=beneficiary,
            requested_by=actor.person_id,
            requested_at=now,
            state=PayOutState.REQUESTED,
        )
        facts: dict[str, Json] = {"amount_uc": amount_uc, "beneficiary": beneficiary}
        pay_out.case_id = _open_case(actor, PAY_OUT_CASE, pay_out.id, organisation_id, facts, now=now)
        pay_out.save(force_insert=True)
        _post_pay_out(pay_out, TransferKind.PEND, code="pay_out_hold", now=now)
    return pay_out.id


def close_pay_out(*, pay_out_id: str, decision: CaseState, now: datetime) -> None:
    """Let an approved pay-out be sent, or release a refused one. Idempotent; while restoring, nothing is approved."""
    with transaction.atomic():
        pay_out = PayOut.objects.select_for_update().get(pk=pay_out_id)
        if pay_out.state != PayOutState.REQUESTED or decision is CaseState.OPEN:
            return
        if decision is CaseState.REFUSED:
            pay_out.state, pay_out.closed_at = PayOutState.REFUSED, now
            _post_pay_out(pay_out, TransferKind.VOID, code="pay_out_refused", now=now)
        elif is_restoring(now=now):
            return
        else:
            pay_out.state = PayOutState.APPROVED
        pay_out.save(update_fields=["state", "closed_at"])
        _tell("ledger.pay_out_" + pay_out.state, pay_out, {"beneficiary": pay_out.beneficiary}, now=now)


def confirm_pay_out(*, actor: Actor, pay_out_id: str, bank_reference: str, now: datetime) -> None:
    """Note that an approved pay-out was sent, with the bank's reference. The same reference again changes nothing.

    Raises NotAllowed, PayOutMissing, PayOutNotApproved, PayOutsFrozen.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.PAY))
    _require_not_restoring(now=now)
    with transaction.atomic():
        pay_out = PayOut.objects.select_for_update().filter(pk=pay_out_id).first()
        if pay_out is None:
            raise PayOutMissing(detail=say("There is no pay-out {pay_out_id}.", pay_out_id=pay_out_id[:64]))
        if pay_out.state == PayOutState.SENT and pay_out.bank_reference == bank_reference:
            return
        if pay_out.state != PayOutState.APPROVED:
            raise PayOutNotApproved(detail=say("It is {state}.", state=pay_out.state))
        pay_out.state, pay_out.bank_reference, pay_out.closed_at = PayOutState.SENT, bank_reference, now
        pay_out.save(update_fields=["state", "bank_reference", "closed_at"])
        _post_pay_out(pay_out, TransferKind.SETTLE, code="pay_out", now=now)
        _record(PAY_OUT_CASE, pay_out, {"bank_reference": bank_reference}, now=now)


def _require_payer(actor: Actor, *, organisation_id: str, amount_uc: int) -> None:
    require(may(actor, roles=PAYERS, scope=Scope.PAY))
    if actor.organisation_id != organisation_id and not actor.is_operator:
        raise NotAllowed(detail=say("You act for another organisation."))
    if not 1 <= amount_uc <= AMOUNT_MAX_UC:
        problem = FieldProblem(path="amount_uc", code=AmountOutOfRange.code, message=AmountOutOfRange.next_step)
        raise AmountOutOfRange(fields=[problem])


def _require_not_restoring(*, now: datetime) -> None:
    if is_restoring(now=now):
        raise PayOutsFrozen


def _open_case(
    actor: Actor, kind: str, subject_id: str, organisation_id: str, facts: Mapping[str, Json], *, now: datetime
) -> str:
    """Open the case; where an operator asks for the hub itself, other operators may decide."""
    is_for_the_hub = actor.is_operator and actor.organisation_id == organisation_id
    return open_case(
        kind=kind,
        subject_id=subject_id,
        organisation_id="" if is_for_the_hub else organisation_id,
        opened_by=actor.person_id,
        facts=facts,
        now=now,
    )


def _post_pay_out(pay_out: PayOut, kind: TransferKind, *, code: str, now: datetime) -> None:
    """Hold, settle or release the amount, by ids that derive from the pay-out."""
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="pay_out", now=now)
    transfer = _build(pay_out, kind, debit=pay_out.account_id, credit=outside, code=code, now=now)
    require_posted(results=post_many(groups=[LinkGroup(id=transfer.id, transfers=(transfer,))], now=now))


def _build(
    payment: TopUp | PayOut, kind: TransferKind, *, debit: str, credit: str, code: str, now: datetime
) -> Transfer:
    return Transfer(
        id=f"{payment.id}.{kind.value}",
        kind=kind,
        debit_account=debit,
        credit_account=credit,
        amount_uc=0 if kind is TransferKind.VOID else payment.amount_uc,
        code=code,
        subject=payment.id,
        effective_at=now,
        pending_id=f"{payment.id}.{TransferKind.PEND.value}" if kind in RESOLUTIONS else None,
    )


def _tell(kind: str, payment: TopUp | PayOut, more: Mapping[str, str], *, now: datetime) -> None:
    params: dict[str, str | int] = {"amount_uc": payment.amount_uc, "case_id": payment.case_id, **more}
    post_notice(kind=kind, subject_id=payment.id, organisation_id=payment.organisation_id, params=params, now=now)


def _record(kind: str, payment: TopUp | PayOut, more: Mapping[str, Json], *, now: datetime) -> None:
    payload = {"account": payment.account_id, "amount_uc": payment.amount_uc, "case_id": payment.case_id, **more}
    append(kind=kind, subject_id=payment.id, payload=payload, organisation_id=payment.organisation_id, now=now)
