"""Routes by size: one lock an organisation lets no two orders count on the same card-hours; what was said is kept."""

from datetime import datetime

from lilong.common.ids import new_id
from lilong.platforms.supermarket.core.routes import RouteVerdict
from lilong.platforms.supermarket.core.states import OrderStep
from lilong.platforms.supermarket.models import Order, RouteDecision, SpendingRule
from lilong.platforms.supermarket.queries.routes import load_route_rule
from lilong.platforms.supermarket.services.budgets import lock_limits, lock_spending


def lock_room(*, order: Order) -> SpendingRule | None:
    """Let no other order of the organisation count on the same budgets and card-hours until the transaction ends.

    Return what limits its orders, None where nothing was ever set and the order takes no card.
    """
    if order.card_ms:
        return lock_spending(organisation_id=order.organisation_id)
    return lock_limits(organisation_id=order.organisation_id)


def keep_route(*, order: Order, route: RouteVerdict | None, step: OrderStep, now: datetime) -> None:
    """Keep what the rule says of an order with cards, with the figures by which it does; refusals as well."""
    if route is None:
        return
    rule = load_route_rule()
    RouteDecision.objects.create(
        id=new_id("rtd"),
        organisation_id=order.organisation_id,
        order=order,
        step=step,
        way=route.way,
        route=route.route,
        rule_version=rule.version,
        rule_sha256=rule.sha256,
        asked_ms=route.asked_ms,
        counted_ms=route.counted_ms,
        limit_ms=route.limit_ms,
        review_id=route.review_id,
        decided_at=now,
    )
