"""Orders above an organisation's own limit wait for somebody else of it to approve them, as long as their quote lives.

Until then nothing changes: the price stands and the vouchers stay reserved. An approval in time holds the money and
submits the run at that price; when the quote expires first, the order is over and its job is quoted anew.
"""

from datetime import datetime
from enum import StrEnum

from django.db import transaction

from lilong.common.errors import Conflict, LilongError, NotAllowed, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.members.public.people import list_people
from lilong.foundation.notices.public import post_notice
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.core.policy import APPROVERS
from lilong.platforms.supermarket.core.states import OrderState, OrderStep, StepImpossible
from lilong.platforms.supermarket.models import Approval, Order
from lilong.platforms.supermarket.services.books import advance, note_step, tell_order
from lilong.platforms.supermarket.services.budgets import lock_limits
from lilong.platforms.supermarket.services.placing import TakenQuote, find_refusal, hold_and_submit, read_taken
from lilong.platforms.supermarket.services.quotes import end_live_quote


class ApprovalDecision(StrEnum):
    """What somebody may say of an order that waits."""

    APPROVED = "approved"
    REFUSED = "refused"


class ApproverMissing(Conflict):
    """The order needs the approval of somebody else, and there is nobody else who may."""

    code = "order.approver_missing"
    title = "Nobody else in your organisation can approve this order"
    next_step = "Invite another owner or admin, or raise the limit above which orders need an approval."


class ApprovalTooLate(Conflict):
    """The quote of the order expired before somebody approved it."""

    code = "order.approval_too_late"
    title = "The quote expired before it was approved"
    next_step = "Ask whoever ordered to have the job quoted anew; nothing was held."


def ask_approval(*, taken: TakenQuote, above_uc: int, now: datetime) -> None:
    """Let a locked order wait for an approval, and tell those who can give it; raises ApproverMissing."""
    order = taken.order
    people = list_people(organisation_id=order.organisation_id, roles=APPROVERS)
    approvers = [person.person_id for person in people if person.person_id != order.person_id]
    if not approvers:
        raise ApproverMissing
    Approval.objects.create(id=new_id("apv"), order=order, above_uc=above_uc, asked_at=now)
    advance(order=order, step=OrderStep.ASK_APPROVAL, now=now, money="at_most", amount_uc=taken.promise.max_uc)
    post_notice(
        kind="supermarket.approval_asked",
        subject_id=order.id,
        organisation_id=order.organisation_id,
        person_ids=approvers,
        params={
            "name": order.name,
            "amount_uc": taken.promise.max_uc,
            "above_uc": above_uc,
            "expires_at": format_moment(order.expires_at),
        },
        now=now,
    )


def approve_order(*, actor: Actor, order_id: str, reason: str, now: datetime) -> None:
    """Approve an order of one's own organisation that somebody else placed: its money is held and its run submitted.

    Raises ApprovalTooLate, StepImpossible unless it waits, and what refuses the order by now, such as missing funds;
    then it goes on waiting until its quote expires.
    """
    require(may(actor, roles=APPROVERS, scope=Scope.PAY))
    with transaction.atomic():
        order = _lock_waiting(actor, order_id, now=now)
        lock_limits(organisation_id=order.organisation_id)
        taken = read_taken(order=order)
        refusal: LilongError | None = find_refusal(taken=taken, now=now)
        if refusal is None:
            _decide(order, actor, ApprovalDecision.APPROVED, reason=reason, now=now)
            note_step(order=order, step="approve", now=now, detail=reason)
            hold_and_submit(taken=taken, now=now)
            tell_order(order=order, kind="approval_given", detail=reason, now=now)
    if refusal is not None:
        raise refusal


def refuse_order(*, actor: Actor, order_id: str, reason: str, now: datetime) -> None:
    """Refuse an order that waits for an approval: it is over, and what its quote reserved is released."""
    require(may(actor, roles=APPROVERS, scope=Scope.PAY))
    with transaction.atomic():
        order = _lock_waiting(actor, order_id, now=now)
        _decide(order, actor, ApprovalDecision.REFUSED, reason=reason, now=now)
        end_live_quote(order=order, step=OrderStep.DENY, detail=reason, now=now)
        tell_order(order=order, kind="approval_refused", detail=reason, now=now)


def _lock_waiting(actor: Actor, order_id: str, *, now: datetime) -> Order:
    own = Order.objects.select_for_update(of=("self",)).filter(organisation_id=actor.organisation_id)
    order = own.filter(id=order_id).first()
    if order is None:
        raise NotFound(detail=say("There is no order {order_id} of your organisation.", order_id=order_id[:64]))
    if order.state != OrderState.AWAITING:
        raise StepImpossible(detail=say("An order that is {state} waits for no approval.", state=order.state))
    if order.person_id == actor.person_id:
        raise NotAllowed(detail=say("You placed this order yourself: somebody else has to approve it."))
    if order.expires_at <= now:
        moment = format_moment(order.expires_at)
        raise ApprovalTooLate(detail=say("It expired at {expires_at}.", expires_at=moment))
    return order


def _decide(order: Order, actor: Actor, decision: ApprovalDecision, *, reason: str, now: datetime) -> None:
    approval = order.approval
    approval.decision, approval.decided_by, approval.decided_at = decision, actor.person_id, now
    approval.reason = reason
    approval.save()
    most_uc = order.max_uc or 0
    append(
        kind="supermarket.approval",
        subject_id=order.id,
        payload={
            "above_uc": approval.above_uc,
            "asked_by": order.person_id,
            "decided_by": actor.person_id,
            "decision": decision.value,
            "distance_uc": most_uc - approval.above_uc,
            "max_uc": most_uc,
            "order_id": order.id,
            "reason": reason,
        },
        organisation_id=order.organisation_id,
        now=now,
    )
