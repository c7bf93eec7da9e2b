"""The door of the ledger for who reports on past moments: sums from transfers alone, which nothing later changes."""

from lilong.foundation.ledger.core.as_of import AsOf
from lilong.foundation.ledger.queries.as_of import HeldSum, MonthMove, list_held_sums, list_month_moves, sum_kinds_as_of
from lilong.foundation.ledger.queries.beancount import export_beancount
from lilong.foundation.ledger.queries.period_books import export_transfers, export_trial_balance, list_closed_pay_outs

__all__ = [
    "AsOf",
    "HeldSum",
    "MonthMove",
    "export_beancount",
    "export_transfers",
    "export_trial_balance",
    "list_closed_pay_outs",
    "list_held_sums",
    "list_month_moves",
    "sum_kinds_as_of",
]
