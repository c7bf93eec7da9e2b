"""Reads of routes by size: the published rule, what counts with an order, and what of approved requests is left."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

from django.db.models import BigIntegerField, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from lilong.common.canonical import sha256_hex
from lilong.foundation.cases.public import CaseState, CaseView, get_many, get_terms
from lilong.platforms.supermarket.core.routes import (
    Allowance,
    Route,
    RouteRule,
    RouteVerdict,
    Size,
    choose_route,
    read_rule,
)
from lilong.platforms.supermarket.models import UNSETTLED_STATES, Order, Review

RULE_FILE = "routes-1.toml"
PENDING, APPROVED = "", "approved"


@dataclass(frozen=True, slots=True)
class RouteTerms:
    """A step of the rule with how many distinct operators approve, within how many days; zero where nobody has to."""

    route: Route
    approvals: int
    days: int


@dataclass(frozen=True, slots=True)
class RouteView:
    """By which route an order of this size would go, and how that step decides; terms: None beyond the last one."""

    verdict: RouteVerdict
    size: Size
    terms: RouteTerms | None


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A review of an order's size as its organisation sees it; left_ms and left_uc: what may still be ordered of it.

    approvals, days: how many operators have to approve, and within how many days. decide_by: when these end; is_late:
    they did without a decision, and all operators were told.
    """

    id: str
    case_id: str
    route: str
    approvals: int
    days: int
    card_ms: int
    left_ms: int
    left_uc: int
    asked_at: datetime
    decide_by: datetime
    is_late: bool
    decision: str
    decided_at: datetime | None
    reason: str
    ends_at: datetime | None


@lru_cache(maxsize=1)
def load_route_rule() -> RouteRule:
    """Return the rule in force, with the hash of the file that it is read from."""
    content = (files("lilong.platforms.supermarket") / "rules" / RULE_FILE).read_bytes()
    return read_rule(document=tomllib.loads(content.decode()), sha256=sha256_hex(content))


def list_routes() -> tuple[RouteTerms, ...]:
    """Return the steps of the rule in force, smallest first, with who decides and by when."""
    return tuple(_add_terms(route) for route in load_route_rule().routes)


def find_verdict(*, order: Order, max_uc: int, now: datetime) -> RouteVerdict | None:
    """Return by which route an order goes that can cost `max_uc`; None of one without a card. Two queries or none.

    Whoever acts on it has locked what the organisation may spend, so that no other order counts on the same room.
    """
    view = find_route(order=order, max_uc=max_uc, now=now)
    return view.verdict if view else None


def find_route(*, order: Order, max_uc: int, now: datetime) -> RouteView | None:
    """Return the same with the figures and the terms of that step, for people. Two queries or none.

    Orders count that were taken within the window or still run; of reviews those that are asked for within it, wait, or
    may still be ordered of. What is left of these is what was asked for less what was drawn: the most that an order can
    take and cost until it is settled, then what was billed. Cost: linear in the organisation's orders and reviews.
    """
    if not order.card_ms:
        return None
    rule = load_route_rule()
    since = now - rule.window
    # The condition on card_ms is how both databases find the index of orders with cards.
    orders = Order.objects.filter(
        organisation_id=order.organisation_id, card_ms__gte=1, placed_at__isnull=False, drawn_from=None
    ).exclude(id=order.id)
    free = orders.filter(Q(placed_at__gt=since) | Q(state__in=UNSETTLED_STATES)).aggregate(
        all=Sum("card_ms", default=0),
        project=Sum("card_ms", filter=Q(project=order.project_id), default=0),
    )
    reviews = list(
        Review.objects.filter(
            Q(decision=PENDING) | Q(decision=APPROVED, asked_at__gt=since) | Q(decision=APPROVED, ends_at__gt=now),
            organisation_id=order.organisation_id,
        ).annotate(**_sum_drawn())
    )
    size = Size(
        asked_ms=order.card_ms,
        free_ms=free["all"],
        project_ms=free["project"],
        reviewed_ms=sum(review.card_ms for review in reviews if review.order_id != order.id),
    )
    allowances = [_find_left(review) for review in reviews if review.project_id == order.project_id]
    verdict = choose_route(
        size=size,
        max_uc=max_uc,
        allowances=[each for each in allowances if each is not None and each.ends_at > now],
        rule=rule,
    )
    steps = {each.route.code: each for each in list_routes()}
    return RouteView(verdict=verdict, size=size, terms=steps.get(verdict.route))


def find_review(*, order: Order) -> ReviewView | None:
    """Return the review that an order asked for, None where it asked for none. Three queries at most."""
    row = Review.objects.filter(order=order).annotate(**_sum_drawn()).first()
    if row is None:
        return None
    case = get_many(case_ids=[row.case_id])[row.case_id]
    return view_review(row=row, case=case)


def view_review(*, row: Review, case: CaseView) -> ReviewView:
    """Return a review with what is left of it; the row bears the sums of what was drawn."""
    left_ms, left_uc = _reckon_left(row)
    return ReviewView(
        id=row.id,
        case_id=row.case_id,
        route=row.route,
        approvals=case.approvals_needed,
        days=(case.due_at - case.opened_at).days,
        card_ms=row.card_ms,
        left_ms=max(left_ms, 0),
        left_uc=max(left_uc, 0),
        asked_at=row.asked_at,
        decide_by=case.due_at,
        is_late=case.is_overdue and case.state is CaseState.OPEN,
        decision=row.decision,
        decided_at=row.decided_at,
        reason=row.reason,
        ends_at=row.ends_at,
    )


def list_answerable() -> list[str]:
    """Return the ids of orders that still wait for a review though its case is decided. Two queries.

    Cost: linear in open reviews.
    """
    waiting = dict(Review.objects.filter(decision=PENDING).values_list("case_id", "order_id"))
    cases = get_many(case_ids=list(waiting)) if waiting else {}
    return [waiting[case.id] for case in cases.values() if case.state is not CaseState.OPEN]


def _add_terms(route: Route) -> RouteTerms:
    if not route.review:
        return RouteTerms(route=route, approvals=0, days=0)
    terms = get_terms(kind=route.review)
    return RouteTerms(route=route, approvals=terms.approvals, days=terms.decide_within.days)


def _sum_drawn() -> dict[str, Coalesce]:
    """Return the sums of what was drawn from a review, as annotations of its row."""

    def add_up(field: str | Coalesce) -> Coalesce:
        sums = Order.objects.filter(drawn_from=OuterRef("id")).order_by().values("drawn_from").annotate(sum=Sum(field))
        return Coalesce(Subquery(sums.values("sum")[:1]), 0, output_field=BigIntegerField())

    return {"drawn_ms": add_up("card_ms"), "drawn_uc": add_up(Coalesce(F("due_uc"), F("max_uc")))}


def _find_left(row: Review) -> Allowance | None:
    """Return what may still be ordered of a review that was approved, None of one that was not."""
    if row.ends_at is None:
        return None
    left_ms, left_uc = _reckon_left(row)
    return Allowance(review_id=row.id, left_ms=left_ms, left_uc=left_uc, ends_at=row.ends_at)


def _reckon_left(row: Review) -> tuple[int, int]:
    drawn: Sequence[int] = (row.__dict__["drawn_ms"], row.__dict__["drawn_uc"])
    return row.card_ms - drawn[0], row.max_uc - drawn[1]
