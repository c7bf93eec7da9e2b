"""Which of an offer's price rows is in force, and when that may change; the rule of `PriceRowQuerySet.in_force`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """One price row: what it says and the half-open period for which it says it."""

    id: str
    price_uc: int
    valid_from: datetime
    valid_until: datetime | None


def find_in_force(spans: Sequence[PriceSpan], *, now: datetime) -> PriceSpan | None:
    """Return the row in force: a sale before others, the first to end; of equals the latest to begin."""
    current = [
        span for span in spans if span.valid_from <= now and (span.valid_until is None or span.valid_until > now)
    ]
    ends = min((span.valid_until for span in current if span.valid_until), default=None)
    return max(
        (span for span in current if span.valid_until == ends),
        key=lambda span: (span.valid_from, span.id),
        default=None,
    )


def find_next_change(spans: Sequence[PriceSpan], *, now: datetime) -> datetime | None:
    """Return the first moment after `now` at which a row begins or ends."""
    moments = (moment for span in spans for moment in (span.valid_from, span.valid_until) if moment and moment > now)
    return min(moments, default=None)
