"""What a run used, as the shop reckons it: the hub's runs know no prices, their `ref` names the offer."""

from lilong.foundation.runs.public import RunView
from lilong.platforms.supermarket.core.pricing import AttemptUsage


def read_usage(*, run: RunView) -> tuple[AttemptUsage, ...]:
    """Return the cumulative use of every attempt of a run."""
    return tuple(
        AttemptUsage(
            attempt_id=attempt.id,
            number=attempt.number,
            offer_id=attempt.ref,
            metered_ms=attempt.metered_ms,
            billable_ms=attempt.billable_ms,
            supported_ms=attempt.supported_ms,
            longest_ms=attempt.longest_ms,
            fault=attempt.fault,
            state=attempt.state.value,
        )
        for attempt in run.attempts
    )
