"""Limits of the shop, in one place."""

from datetime import timedelta

from lilong.common.permissions import Role

QUOTE_LIFE = timedelta(minutes=15)
APPROVAL_WINDOW = timedelta(days=7)
"""How long an order waits for the approval of somebody of its own organisation."""
APPROVAL_LIFE = timedelta(days=7)
"""How long a job that was approved after its quote had expired may be ordered anew."""
DRAFT_LIFE = timedelta(minutes=10)
LIVE_QUOTES_MAX = 3
CANDIDATES_MAX = 8
FAILOVER_PRICE_FACTOR = 2
DISPUTE_WINDOW = timedelta(days=7)
HISTORY_RUNS = 20
PRICE_MAX_UC = 10**12
ORDER_MAX_UC = 10**15
CANCEL_GRACE_S = 10
BUDGETS_MAX = 50
PROJECTS_MAX = 100
APPROVERS = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR})
"""Who approves orders of others of their own organisation."""
REPLAYED_ORDERS_MAX = 10_000
