"""Keep the tail of floorless accounts short, so that reading their balance stays quick."""

from django.db import transaction

from lilong.foundation.ledger.sql import roll_up_tail

ROWS_AT_ONCE = 10_000


def roll_up() -> int:
    """Move the tail into the sums of its accounts, some rows a transaction, and return how many rows it was.

    Balances do not change by it, and nobody who posts waits for it.
    """
    moved = 0
    while True:
        with transaction.atomic():
            count = roll_up_tail(limit=ROWS_AT_ONCE)
        moved += count
        if count < ROWS_AT_ONCE:
            return moved
