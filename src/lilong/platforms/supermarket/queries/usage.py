"""What a run used, as the shop reckons it: the hub's runs know no prices, their `ref` names the offer."""

import csv
import io

from lilong.foundation.runs.public import RunView
from lilong.platforms.supermarket.core.pricing import AttemptUsage
from lilong.protocol.messages import Fault


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


def read_settled_usage(*, text: str) -> list[AttemptUsage]:
    """Return the usage that was settled, as usage.csv of the settlement keeps it: later reports do not change it."""
    return [
        AttemptUsage(
            attempt_id=row["attempt_id"],
            number=int(row["number"]),
            offer_id=row["offer_id"],
            metered_ms=int(row["metered_ms"]),
            billable_ms=int(row["billable_ms"]),
            supported_ms=int(row["billable_ms"]),
            longest_ms=int(row["metered_ms"]),
            fault=Fault(row["fault"]) if row["fault"] else None,
            state=row["state"],
        )
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]
