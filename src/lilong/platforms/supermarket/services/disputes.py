"""Disputes: a member claims a part of the charge back within the window, or the hub itself doubts it at settlement.

Until the case is decided the payable waits.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from lilong.common.errors import FieldProblem, InputInvalid, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say, shorten
from lilong.foundation.cases.public import open_case
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.promise import read_promise
from lilong.platforms.supermarket.core.states import OrderStep, StepImpossible
from lilong.platforms.supermarket.models import Dispute, FrozenEarning, Order
from lilong.platforms.supermarket.services.books import advance
from lilong.platforms.supermarket.services.corrections import correct_order, reckon_lines

CLAIMANTS = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING})
DISPUTE_CASE = "supermarket.dispute"
REASON_MAX = 1000
BY_HUB = "hub"


class ClaimInvalid(InputInvalid):
    """More is claimed than was charged, or nothing."""

    code = "order.claim_invalid"
    title = "This amount cannot be claimed"
    next_step = "Claim at least one micro-credit and at most what the order was charged."


class DisputeWindowClosed(StepImpossible):
    """The earnings of the order are available; its period is closed."""

    code = "order.dispute_window_closed"
    title = "The time for disputing this order has passed"
    next_step = "Write to the operator; the books of that period are closed."


def open_dispute(*, actor: Actor, order_id: str, claim_uc: int, reason: str, now: datetime) -> str:
    """Claim `claim_uc` of a settled order back; freezes its payable and returns the case that decides."""
    require(may(actor, roles=CLAIMANTS, scope=Scope.PAY))
    with transaction.atomic():
        mine = Order.objects.select_for_update().filter(organisation_id=actor.organisation_id)
        order = mine.filter(id=order_id).first()
        if order is None:
            raise NotFound(detail=say("There is no order {order_id} of your organisation.", order_id=order_id[:64]))
        if order.settled_at is not None and (order.released_at or (order.releasable_at or now) <= now):
            raise DisputeWindowClosed
        if order.due_uc is not None and not 1 <= claim_uc <= order.due_uc:
            message = say("It must be from {least} to {most}.", least=1, most=order.due_uc)
            raise ClaimInvalid(fields=[FieldProblem(path="claim_uc", code=ClaimInvalid.code, message=message)])
        return _open(order, claim_uc=claim_uc, reason=reason, opened_by=actor.person_id, now=now)


def open_hub_dispute(*, order: Order, attempt_ids: Sequence[str], claim_uc: int, reason: str, now: datetime) -> str:
    """Freeze the payable of a locked, settled order because the hub doubts `claim_uc`, all that these attempts cost.

    The member was charged what both meters support; the case decides whether anybody is paid for it at all.
    """
    return _open(order, claim_uc=claim_uc, reason=reason, opened_by=BY_HUB, attempt_ids=attempt_ids, now=now)


def uphold_dispute(*, dispute_id: str, now: datetime) -> None:
    """Refund what was claimed, to the same payers, and unfreeze the payable. Idempotent: a dispute closes once."""
    with transaction.atomic():
        dispute, order = _lock(dispute_id)
        if dispute.closed_at is not None:
            return
        _close(dispute, order, upheld=True, now=now)
        promise = read_promise(content=order.quote.document.encode())
        correct_order(
            order=order,
            lines=reckon_lines(order=order, promise=promise, now=now),
            reason=say("dispute upheld"),
            now=now,
        )


def reject_dispute(*, dispute_id: str, now: datetime) -> None:
    """Leave the charge as it is and unfreeze the payable. Idempotent."""
    with transaction.atomic():
        dispute, order = _lock(dispute_id)
        if dispute.closed_at is None:
            _close(dispute, order, upheld=False, now=now)


def _open(
    order: Order,
    *,
    claim_uc: int,
    reason: str,
    opened_by: str,
    attempt_ids: Sequence[str] = (),
    now: datetime,
) -> str:
    reason = shorten(reason, at_most=REASON_MAX)
    advance(order=order, step=OrderStep.DISPUTE, now=now, money="claimed", amount_uc=claim_uc, detail=reason)
    dispute_id = new_id("dsp")
    case_id = open_case(
        kind=DISPUTE_CASE,
        subject_id=dispute_id,
        organisation_id=order.organisation_id,
        opened_by=opened_by,
        facts={
            "attempt_ids": list(attempt_ids),
            "claim_uc": claim_uc,
            "due_uc": order.due_uc or 0,
            "order_id": order.id,
            "reason": reason,
        },
        now=now,
    )
    dispute = Dispute.objects.create(
        id=dispute_id,
        order=order,
        attempt_ids=list(attempt_ids),
        claim_uc=claim_uc,
        reason=reason,
        opened_at=now,
        case_id=case_id,
    )
    promise = read_promise(content=order.quote.document.encode())
    FrozenEarning.objects.bulk_create(
        FrozenEarning(id=new_id("frz"), provider_id=provider_id, dispute=dispute)
        for provider_id in sorted({offer.provider_id for offer in promise.offers})
    )
    return case_id


def _lock(dispute_id: str) -> tuple[Dispute, Order]:
    """Lock the order before its dispute, as everybody does."""
    order = Order.objects.select_for_update().get(disputes__id=dispute_id)
    return Dispute.objects.select_for_update().get(id=dispute_id), order


def _close(dispute: Dispute, order: Order, *, upheld: bool, now: datetime) -> None:
    dispute.closed_at, dispute.upheld = now, upheld
    dispute.save(update_fields=["closed_at", "upheld"])
    dispute.frozen_earnings.all().delete()
    if dispute.attempt_ids and order.releasable_at is not None:
        # Nobody could claim while the hub's own question was open: the member's whole window follows it.
        order.releasable_at = max(order.releasable_at, now + DISPUTE_WINDOW)
    verdict = say("The claim was upheld.") if upheld else say("The claim was rejected.")
    advance(order=order, step=OrderStep.CLOSE_DISPUTE, now=now, detail=verdict)
