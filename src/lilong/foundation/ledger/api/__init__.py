"""The books, and the bank's statements beside them, over HTTP."""

from ninja import Router

from lilong.foundation.ledger.api import bank, books

__all__ = ["router"]

router = Router()
for part in (books, bank):
    router.add_router("", part.router)
