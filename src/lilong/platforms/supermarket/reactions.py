"""What makes orders move without a request: events that wake, and `reconcile`, which needs none of them."""

from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from lilong.common.canonical import Json
from lilong.foundation.cases.public import CaseState, get_many
from lilong.platforms.supermarket.models import Dispute, Order
from lilong.platforms.supermarket.queries.balances import list_turned_balances
from lilong.platforms.supermarket.queries.counts import OrderCounts, count_orders
from lilong.platforms.supermarket.queries.orders import list_changed, list_lapsed, list_releasable, list_unrelieved
from lilong.platforms.supermarket.queries.routes import list_answerable, load_route_rule
from lilong.platforms.supermarket.services.corrections import release_order
from lilong.platforms.supermarket.services.disputes import DISPUTE_CASE, reject_dispute, uphold_dispute
from lilong.platforms.supermarket.services.measuring import DRAW_EVERY_S, check_measurements, draw_measurements
from lilong.platforms.supermarket.services.quotes import lapse_order
from lilong.platforms.supermarket.services.reputation import judge_orders, renew_reputations
from lilong.platforms.supermarket.services.reviews import answer_review
from lilong.platforms.supermarket.services.settlement import follow_order, relieve_order
from lilong.platforms.supermarket.services.spending import watch_balance
from lilong.platforms.supermarket.services.starts import renew_outlooks, sum_up_scores
from lilong.platforms.supermarket.services.turnover import roll_up

__all__ = ["DRAW_EVERY_S", "OrderCounts", "count_orders", "on_case_decided", "on_run_changed", "reconcile"]

BATCH = 200
REVIEW_CASES = frozenset(route.review for route in load_route_rule().routes if route.review)

log = structlog.get_logger()


def on_run_changed(payload: dict[str, Json], *, now: datetime) -> None:
    """Follow the run of an order at once. Subscribes to RunStarted and RunFinished."""
    order_id = Order.objects.filter(run_id=payload["run_id"]).values_list("id", flat=True).first()
    if order_id is not None:
        follow_order(order_id=order_id, now=now)


def on_case_decided(payload: dict[str, Json], *, now: datetime) -> None:
    """Close the dispute, or answer the request, that a case decided. Subscribes to CaseDecided."""
    if payload["kind"] == DISPUTE_CASE:
        _close_decided_disputes(Dispute.objects.filter(case_id=payload["case_id"]), now=now)
    elif payload["kind"] in REVIEW_CASES:
        answer_review(order_id=str(payload["subject_id"]), now=now)


def reconcile(*, now: datetime) -> None:
    """Lapse, follow, settle, relieve, release, close disputes, answer requests: what is due by the tables alone.

    One order's trouble holds up no other; it is logged and tried again the next time.
    """
    _each(list_lapsed(now=now, limit=BATCH), lapse_order, now=now)
    after, more = "", True
    while more:
        changed, after = list_changed(after=after, limit=BATCH, now=now)
        _each(changed, follow_order, now=now)
        more = bool(after)
    _each(list_unrelieved(limit=BATCH), relieve_order, now=now)
    _each(list_releasable(now=now, limit=BATCH), release_order, now=now)
    _close_decided_disputes(Dispute.objects.filter(closed_at=None).order_by("id")[:BATCH], now=now)
    _each(list_answerable(), answer_review, now=now)


def watch_balances(*, now: datetime) -> None:
    """Tell organisations whose wallets fell below what they set; found by the balances alone."""
    after, more = "", True
    while more:
        turned, after = list_turned_balances(after=after, limit=BATCH)
        for organisation_id in turned:
            watch_balance(organisation_id=organisation_id, now=now)
        more = bool(after)


def add_up(*, now: datetime) -> None:  # noqa: ARG001 - a reconciler's signature
    """Keep the sum of what was settled short."""
    roll_up()


def look_ahead(*, now: datetime) -> None:
    """Add up how good estimates of starts were, and estimate anew."""
    sum_up_scores()
    renew_outlooks(now=now)


def judge(*, now: datetime) -> None:
    """Write down what settled orders say of providers, and add it up anew."""
    judge_orders(now=now)
    renew_reputations(now=now)


def check(*, now: datetime) -> None:
    """Decide on measurements whose runs have finished."""
    check_measurements(now=now)


def draw(*, now: datetime) -> None:
    """Let chance choose what the hub measures again; call it every DRAW_EVERY_S."""
    draw_measurements(now=now)


def _each(order_ids: Iterable[str], act: Callable[..., object], *, now: datetime) -> None:
    for order_id in order_ids:
        try:
            act(order_id=order_id, now=now)
        except Exception as error:  # whatever one order raises must not hold up the others
            log.exception("order_stuck", order=order_id, step=act.__name__, error=type(error).__name__)


def _close_decided_disputes(disputes: Iterable[Dispute], *, now: datetime) -> None:
    open_ones = {dispute.case_id: dispute.id for dispute in disputes}
    for case in get_many(case_ids=list(open_ones)).values():
        if case.state is CaseState.APPROVED:
            uphold_dispute(dispute_id=open_ones[case.id], now=now)
        elif case.state is CaseState.REFUSED:
            reject_dispute(dispute_id=open_ones[case.id], now=now)
