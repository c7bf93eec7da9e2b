"""Rolling holds: where a balance cannot cover the whole maximum, hold after hold covers the next stretch of work."""

from dataclasses import replace
from datetime import datetime

from lilong.foundation.ledger.core.transfers import LinkGroup, Transfer, TransferKind

SHORTEST_STEP_MS = 5 * 60 * 1000
PARTS_OF_REST = 8


def find_step_ms(*, left_ms: int) -> int:
    """Return for how much running time the next hold is: an eighth of what is left, at least five minutes.

    left_ms: time until the walltime's end; the step never goes beyond it.

    >>> find_step_ms(left_ms=8 * 3_600_000), find_step_ms(left_ms=3_600_000), find_step_ms(left_ms=60_000)
    (3600000, 450000, 60000)
    """
    return min(max(SHORTEST_STEP_MS, left_ms // PARTS_OF_REST), left_ms)


def roll_hold(*, hold: Transfer, due_uc: int, next_id: str, next_uc: int, effective_at: datetime) -> LinkGroup:
    """Return the group of one tick: settle `hold` at what is due of it, and hold `next_uc` for the next stretch.

    due_uc: at most what is held; the rest is released before the next hold takes from the same account, so that only
    the difference must be there. Posted again it changes nothing; refused, the old hold stays as it was.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> first = Transfer(id="ord_1.hold.0", kind=TransferKind.PEND, debit_account="w", credit_account="e", amount_uc=9,
    ...                  code="hold", subject="ord_1", effective_at=noon)
    >>> group = roll_hold(hold=first, due_uc=4, next_id="ord_1.hold.1", next_uc=7, effective_at=noon)
    >>> [(transfer.id, transfer.kind.value, transfer.amount_uc) for transfer in group.transfers]
    [('ord_1.hold.0.settle', 'settle', 4), ('ord_1.hold.1', 'pend', 7)]
    """
    settled = replace(
        hold,
        id=f"{hold.id}.settle",
        kind=TransferKind.SETTLE,
        amount_uc=due_uc,
        code="settle",
        pending_id=hold.id,
        effective_at=effective_at,
    )
    next_hold = replace(hold, id=next_id, amount_uc=next_uc, effective_at=effective_at)
    return LinkGroup(id=f"{next_id}.roll", transfers=(settled, next_hold))
