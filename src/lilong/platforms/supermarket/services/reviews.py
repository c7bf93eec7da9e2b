"""Orders too large for the automatic route wait for a review by the hub's operators, which is a case with its clock.

The review decides on a request: so many card-hours, so many credits at most. Prices and vouchers are honoured as long
as the quote lives and no longer. What is approved after that is quoted and ordered anew, in one order or several of the
same project, at the prices of then and never above the maximum that was shown.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.ids import new_id
from lilong.common.sentences import say, shorten
from lilong.common.time import format_moment
from lilong.foundation.cases.public import CaseState, CaseView, get_many, open_case, withdraw_case
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.core.policy import APPROVAL_LIFE
from lilong.platforms.supermarket.core.promise import read_promise
from lilong.platforms.supermarket.core.routes import RouteVerdict, Way, count_card_hours
from lilong.platforms.supermarket.core.states import OrderStep
from lilong.platforms.supermarket.models import Order, Provider, Review
from lilong.platforms.supermarket.queries.routes import find_route, find_verdict, load_route_rule
from lilong.platforms.supermarket.services.books import advance, note_step, tell_order
from lilong.platforms.supermarket.services.placing import TakenQuote, find_refusal, hold_and_submit, read_taken
from lilong.platforms.supermarket.services.quotes import end_live_quote, is_quote_live, release_quote
from lilong.platforms.supermarket.services.routes import lock_room

REASON_MAX = 1000


class ReviewDecision(StrEnum):
    """What became of a request."""

    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


def carry_on(
    *, order: Order, taken: TakenQuote | None, route: RouteVerdict | None, reason: str = "", now: datetime
) -> None:
    """Let a locked order go on that nobody of its organisation has to approve any more.

    It waits for a review, or its money is held, or it may be quoted anew. taken: its quote, None where that expired.
    reason: of whoever approved it, empty where nobody had to.
    """
    needs_review = route is not None and route.way is Way.REVIEW
    if taken is None and not needs_review:
        _allow(order, until=now + APPROVAL_LIFE, reason=reason, now=now)
        return
    if reason:
        note_step(order=order, step="approve", now=now, detail=reason)
    if route is not None and needs_review:
        _ask_review(order, route, now=now)
    elif taken is not None:
        hold_and_submit(taken=taken, route=route, now=now)


def answer_review(*, order_id: str, now: datetime) -> None:
    """Do with the order that waits as the case about its size was decided. Idempotent; nothing while it is open."""
    with transaction.atomic():
        order = Order.objects.select_for_update(of=("self",)).get(id=order_id)
        review = Review.objects.get(order=order)
        case = get_many(case_ids=[review.case_id])[review.case_id]
        if review.decision or case.state is CaseState.OPEN:
            return
        if case.state is CaseState.APPROVED:
            _approve(order, review, case, now=now)
        else:
            _decide(review, ReviewDecision.REFUSED, reason=case.reason, now=now)
            end_live_quote(order=order, step=OrderStep.DENY, detail=case.reason, now=now)
            tell_order(order=order, kind="review_refused", detail=case.reason, now=now)


def withdraw_review(*, order: Order, now: datetime) -> None:
    """End what a locked order that was withdrawn asked for, or was allowed: nothing more is ordered by it."""
    review = Review.objects.filter(order=order).first()
    if review is None:
        return
    if not review.decision:
        _decide(review, ReviewDecision.WITHDRAWN, reason="", now=now)
        withdraw_case(case_id=review.case_id, reason=say("It was withdrawn by whoever asked."), now=now)
    elif review.decision == ReviewDecision.APPROVED:
        review.ends_at = now
        review.save(update_fields=["ends_at"])


def _ask_review(order: Order, route: RouteVerdict, *, now: datetime) -> None:
    promise = read_promise(content=order.quote.document.encode())
    sellers = Provider.objects.filter(id__in={offer.provider_id for offer in promise.offers})
    case_id = open_case(
        kind=route.review,
        subject_id=order.id,
        organisation_id=order.organisation_id,
        opened_by=order.person_id,
        facts=_list_facts(order, route, now=now),
        concerns=sorted(sellers.values_list("organisation_id", flat=True)),
        now=now,
    )
    Review.objects.create(
        id=new_id("rvw"),
        order=order,
        organisation_id=order.organisation_id,
        project_id=order.project_id,
        case_id=case_id,
        route=route.route,
        card_ms=order.card_ms,
        max_uc=promise.max_uc,
        asked_at=now,
    )
    advance(order=order, step=OrderStep.ASK_REVIEW, now=now, money="at_most", amount_uc=promise.max_uc)


def _list_facts(order: Order, route: RouteVerdict, *, now: datetime) -> Mapping[str, Json]:
    """Return what operators decide on, in card-hours rounded up."""
    rule = load_route_rule()
    view = find_route(order=order, max_uc=order.max_uc or 0, now=now)
    return {
        "order_id": order.id,
        "job": order.name,
        "project": order.project.name if order.project else "",
        "reason": order.purpose,
        "card_hours": count_card_hours(route.asked_ms),
        "card_hours_counted": count_card_hours(route.counted_ms),
        "card_hours_in_project": count_card_hours(view.size.project_ms) if view else 0,
        "card_hours_distance": count_card_hours(route.limit_ms) - count_card_hours(route.counted_ms),
        "max_uc": order.max_uc or 0,
        "rule": f"{rule.name} {rule.version}",
    }


def _approve(order: Order, review: Review, case: CaseView, *, now: datetime) -> None:
    """Hold the money at the price of the quote where that still lives and nothing refuses it; else allow it anew."""
    lock_room(order=order)
    review.ends_at = now + load_route_rule().usable
    _decide(review, ReviewDecision.APPROVED, reason=case.reason, now=now)
    if is_quote_live(order=order, now=now):
        taken = read_taken(order=order)
        route = find_verdict(order=order, max_uc=taken.promise.max_uc, now=now)
        if find_refusal(taken=taken, route=route, now=now) is None:
            note_step(order=order, step="approve", now=now, detail=case.reason)
            hold_and_submit(taken=taken, route=route, now=now)
            tell_order(order=order, kind="approval_given", detail=case.reason, now=now)
            return
    _allow(order, until=review.ends_at, reason=case.reason, now=now)


def _allow(order: Order, *, until: datetime, reason: str, now: datetime) -> None:
    """Let the job of a locked order be quoted and ordered anew; nothing stays reserved until then."""
    release_quote(order=order, now=now)
    order.expires_at = until
    advance(order=order, step=OrderStep.APPROVE, now=now, money="at_most", amount_uc=order.max_uc, detail=reason)
    tell_order(order=order, kind="order_approved", amount_uc=order.max_uc, detail=reason, now=now)


def _decide(review: Review, decision: ReviewDecision, *, reason: str, now: datetime) -> None:
    review.decision, review.decided_at, review.reason = decision, now, shorten(reason, at_most=REASON_MAX)
    review.save()
    append(
        kind="supermarket.review",
        subject_id=review.order_id,
        payload={
            "card_ms": review.card_ms,
            "case_id": review.case_id,
            "decision": decision.value,
            "ends_at": format_moment(review.ends_at) if review.ends_at else "",
            "max_uc": review.max_uc,
            "order_id": review.order_id,
            "route": review.route,
            "rule_sha256": load_route_rule().sha256,
        },
        organisation_id=review.organisation_id,
        now=now,
    )
