"""The door of the ledger for who reports on past moments: sums from transfers alone, which nothing later changes."""

from lilong.foundation.ledger.core.as_of import AsOf
from lilong.foundation.ledger.queries.as_of import HeldSum, MonthMove, list_held_sums, list_month_moves, sum_kinds_as_of

__all__ = ["AsOf", "HeldSum", "MonthMove", "list_held_sums", "list_month_moves", "sum_kinds_as_of"]
