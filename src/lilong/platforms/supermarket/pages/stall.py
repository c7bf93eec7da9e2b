"""What the supermarket puts on a provider's desk: offers, prices and earnings."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lilong.common.django.charts import Chart, Paint, Series, Step
from lilong.common.permissions import Actor
from lilong.common.time import list_weeks
from lilong.foundation.ledger.public import sum_flows
from lilong.platforms.supermarket.queries.earnings import Stall, find_stall

__all__ = ["Stall", "chart_earnings", "read_stall"]

WEEKS = 13
EARNING_CODES = frozenset({"pay", "hub_fault", "correction", "service_credit"})


def read_stall(*, actor: Actor, now: datetime) -> Stall | None:
    """Return what the actor's organisation sells and has earned; None while it is no provider."""
    return find_stall(actor=actor, now=now)


def chart_earnings(*, account_id: str, now: datetime) -> Chart:
    """Return what a provider earned each week after the hub's fee, and what it gave back. One query.

    account_id: where its earnings accrue.
    """
    edges = list_weeks(now=now, count=WEEKS)
    flow = sum_flows(account_ids=[account_id], codes=EARNING_CODES, edges=edges)[account_id]
    return Chart(
        name="earned",
        title=_("Earned by week"),
        step=Step.WEEK,
        edges=edges,
        series=[
            Series(label=_("Earned"), paint=Paint.INK, amounts_uc=flow.in_uc),
            Series(label=_("Given back"), paint=Paint.BRICK, amounts_uc=[-amount_uc for amount_uc in flow.out_uc]),
        ],
        addresses=[f"{reverse('wallet')}?account={account_id}&month={week:%Y-%m}" for week in edges[:-1]],
    )
