"""Charts of the books: what an organisation spent or earned, and what the whole hub settled."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from lilong.common.django.charts import Chart, Paint, Series, Step
from lilong.common.time import list_weeks
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.queries.accounts import AccountView
from lilong.foundation.ledger.queries.flows import sum_flows
from lilong.foundation.ledger.queries.settled import SettledDays

WEEKS = 13
SPENDING_CODES = frozenset({"settle", "correction", "service_credit"})
EARNING_CODES = frozenset({"pay", "hub_fault", "correction", "service_credit"})
SPENDING_KINDS = (AccountKind.WALLET, AccountKind.PROJECT_BUDGET, AccountKind.VOUCHER)


def chart_spending(*, accounts: Sequence[AccountView], account_id: str, now: datetime) -> Chart:
    """Return what orders cost each week, less what was given back, out of wallets and of vouchers. One query.

    account_id: of the statement to which the figures lead.
    """
    edges = list_weeks(now=now, count=WEEKS)
    payers = {account.id: account.kind for account in accounts if account.kind in SPENDING_KINDS}
    wallets, vouchers = [0] * WEEKS, [0] * WEEKS
    for payer, flow in sum_flows(account_ids=payers, codes=SPENDING_CODES, edges=edges).items():
        sums = vouchers if payers[payer] is AccountKind.VOUCHER else wallets
        for week, net_uc in enumerate(flow.net_uc):
            sums[week] -= net_uc
    return Chart(
        name="spending",
        title=_("Spent by week"),
        step=Step.WEEK,
        edges=edges,
        series=[
            Series(label=pgettext_lazy("spending", "Wallet"), paint=Paint.INK, amounts_uc=wallets),
            Series(label=pgettext_lazy("spending", "Vouchers"), paint=Paint.CONTROL, amounts_uc=vouchers),
        ],
        addresses=_list_statements(account_id, edges),
    )


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
        addresses=_list_statements(account_id, edges),
    )


def chart_settled(*, settled: SettledDays) -> Chart:
    """Return what was settled each day, by who got it."""
    return Chart(
        name="settled",
        title=_("Settled by day"),
        step=Step.DAY,
        edges=settled.edges,
        series=[
            Series(label=_("To providers"), paint=Paint.INK, amounts_uc=settled.earned_uc),
            Series(label=_("Fee of the hub"), paint=Paint.BRICK, amounts_uc=settled.fees_uc),
        ],
    )


def _list_statements(account_id: str, edges: Sequence[datetime]) -> list[str]:
    """Return for each week the statement of the month in which it begins."""
    return [f"{reverse('wallet')}?account={account_id}&month={week:%Y-%m}" for week in edges[:-1]]
