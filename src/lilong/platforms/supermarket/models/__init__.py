"""Tables of the supermarket: the shelf and orders, and what belongs to them."""

from lilong.platforms.supermarket.models.limits import Approval, Budget, BudgetDecision, Project, SpendingRule
from lilong.platforms.supermarket.models.market import (
    LIVE_SLOTS,
    QUOTE_STATES,
    RUNNING_STATES,
    UNSETTLED_STATES,
    Dispute,
    FrozenEarning,
    Offer,
    Order,
    OrderQuerySet,
    PriceRow,
    Provider,
    Quote,
    ServiceLevel,
    Settlement,
    ShelfEdition,
    TimelineEntry,
    Turnover,
)
from lilong.platforms.supermarket.models.measurements import Figure, Measurement
from lilong.platforms.supermarket.models.starts import StartOutlook, StartRecord, StartScore

__all__ = [
    "LIVE_SLOTS",
    "QUOTE_STATES",
    "RUNNING_STATES",
    "UNSETTLED_STATES",
    "Approval",
    "Budget",
    "BudgetDecision",
    "Dispute",
    "Figure",
    "FrozenEarning",
    "Measurement",
    "Offer",
    "Order",
    "OrderQuerySet",
    "PriceRow",
    "Project",
    "Provider",
    "Quote",
    "ServiceLevel",
    "Settlement",
    "ShelfEdition",
    "SpendingRule",
    "StartOutlook",
    "StartRecord",
    "StartScore",
    "TimelineEntry",
    "Turnover",
]
