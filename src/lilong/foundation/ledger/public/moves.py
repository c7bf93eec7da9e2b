"""The door of the ledger for who writes statements of what an organisation paid."""

from lilong.foundation.ledger.queries.moves import Move, list_moves

__all__ = ["Move", "list_moves"]
