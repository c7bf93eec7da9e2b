"""The door of the ledger for who writes statements of what an organisation paid, and invoices of closed months."""

from lilong.foundation.ledger.queries.moves import Move, list_moves, list_payers
from lilong.foundation.ledger.queries.periods import find_closed_until
from lilong.foundation.ledger.services.periods import close_period

__all__ = ["Move", "close_period", "find_closed_until", "list_moves", "list_payers"]
