"""Orders above an organisation's own limit wait for somebody else of it to approve them, for some days.

As long as the quote lives nothing changes: the price stands and the vouchers stay reserved, and an approval holds the
money and submits the run at that price. One that comes later lets the same person have the same job quoted and ordered
anew, once, at the price of then and never above the maximum that was approved. What is large is reviewed after that.
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
from lilong.platforms.supermarket.core.policy import APPROVAL_WINDOW, APPROVERS
from lilong.platforms.supermarket.core.routes import RouteVerdict, check_route
from lilong.platforms.supermarket.core.states import OrderState, OrderStep, StepImpossible
from lilong.platforms.supermarket.models import Approval, Order
from lilong.platforms.supermarket.queries.routes import find_verdict
from lilong.platforms.supermarket.services.books import advance, tell_order
from lilong.platforms.supermarket.services.placing import TakenQuote, find_refusal, read_taken
from lilong.platforms.supermarket.services.quotes import end_live_quote, is_quote_live
from lilong.platforms.supermarket.services.reviews import carry_on
from lilong.platforms.supermarket.services.routes import keep_route, lock_room


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
    """The time in which the order could be approved is over."""

    code = "order.approval_too_late"
    title = "The time for approving this order is over"
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
            "expires_at": format_moment(_find_end(order)),
        },
        now=now,
    )


def approve_order(*, actor: Actor, order_id: str, reason: str, now: datetime) -> None:
    """Approve an order of one's own organisation that somebody else placed.

    Its money is held and its run submitted as long as its quote lives; later it may be quoted and ordered anew. Raises
    ApprovalTooLate, StepImpossible unless it waits, and what refuses the order by now, such as missing funds; then it
    goes on waiting.
    """
    require(may(actor, roles=APPROVERS, scope=Scope.PAY))
    with transaction.atomic():
        order, approval = _lock_waiting(actor, order_id, now=now)
        lock_room(order=order)
        taken = read_taken(order=order) if is_quote_live(order=order, now=now) else None
        route = find_verdict(order=order, max_uc=order.max_uc or 0, now=now)
        refusal = _find_refusal(order, taken, route, now=now)
        if refusal is None:
            _decide(order, approval, actor, ApprovalDecision.APPROVED, reason=reason, now=now)
            carry_on(order=order, taken=taken, route=route, reason=reason, now=now)
            if order.run_id:
                tell_order(order=order, kind="approval_given", detail=reason, now=now)
    if refusal is not None:
        raise refusal


def refuse_order(*, actor: Actor, order_id: str, reason: str, now: datetime) -> None:
    """Refuse an order that waits for an approval: it is over, and what its quote reserved is released."""
    require(may(actor, roles=APPROVERS, scope=Scope.PAY))
    with transaction.atomic():
        order, approval = _lock_waiting(actor, order_id, now=now)
        _decide(order, approval, actor, ApprovalDecision.REFUSED, reason=reason, now=now)
        end_live_quote(order=order, step=OrderStep.DENY, detail=reason, now=now)
        tell_order(order=order, kind="approval_refused", detail=reason, now=now)


def use_approval(*, order: Order, now: datetime) -> bool:
    """Use up an approval that came too late for the quote of the same job and person, for a locked order; say if so.

    It covers what the order costs at most, for the same project, and is good once. The caller has locked what the
    organisation may spend.
    """
    approval = (
        Approval.objects.filter(
            order__organisation_id=order.organisation_id,
            order__person_id=order.person_id,
            order__project=order.project_id,
            order__spec_sha256=order.spec_sha256,
            order__state=OrderState.APPROVED,
            order__expires_at__gt=now,
            order__max_uc__gte=order.max_uc,
            decision=ApprovalDecision.APPROVED,
            used_by="",
        )
        .order_by("id")
        .first()
    )
    if approval is None:
        return False
    approval.used_by = order.id
    approval.save(update_fields=["used_by"])
    return True


def _find_refusal(
    order: Order, taken: TakenQuote | None, route: RouteVerdict | None, *, now: datetime
) -> LilongError | None:
    """Return what refuses an order by now; of one whose quote expired only its size can, prices are asked for anew."""
    if taken is not None:
        return find_refusal(taken=taken, route=route, now=now)
    keep_route(order=order, route=route, step=OrderStep.APPROVE, now=now)
    return check_route(route)


def _find_end(order: Order) -> datetime:
    """Return until when a waiting order may be approved: some days after its quote expires."""
    return order.expires_at if order.live_slot is None else order.expires_at + APPROVAL_WINDOW


def _lock_waiting(actor: Actor, order_id: str, *, now: datetime) -> tuple[Order, Approval]:
    own = Order.objects.select_for_update(of=("self",)).filter(organisation_id=actor.organisation_id)
    order = own.filter(id=order_id).first()
    if order is None:
        raise NotFound(detail=say("There is no order {order_id} of your organisation.", order_id=order_id[:64]))
    approval = Approval.objects.filter(order=order).first()
    if order.state != OrderState.AWAITING or approval is None:
        raise StepImpossible(detail=say("An order that is {state} waits for no approval.", state=order.state))
    if approval.decision:
        raise StepImpossible(detail=say("It is approved already; operators of the hub review its size now."))
    if order.person_id == actor.person_id:
        raise NotAllowed(detail=say("You placed this order yourself: somebody else has to approve it."))
    if _find_end(order) <= now:
        moment = format_moment(_find_end(order))
        raise ApprovalTooLate(detail=say("It ended at {ended_at}.", ended_at=moment))
    return order, approval


def _decide(
    order: Order, approval: Approval, actor: Actor, decision: ApprovalDecision, *, reason: str, now: datetime
) -> None:
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
