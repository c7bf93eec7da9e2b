"""How much of an attempt's time is billed: what both meters support, by whose fault it ended, within every bound."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.reports import Reported
from lilong.foundation.runs.core.table import Billing, find_billing
from lilong.protocol.messages import AttemptState, Fault


@dataclass(frozen=True, slots=True)
class Meters:
    """What is known of one attempt's time, in milliseconds.

    metered_ms: by the engine; usable_ms: by the engine, up to the newest checkpoint; reported: by the job wrappers.
    granted_ms: the authority that this attempt has. kept_checkpoint: the hub holds a checkpoint of it.
    stopped_at: when the hub asked for the stop, and the grace it gave.
    """

    state: AttemptState
    fault: Fault | None
    metered_ms: int
    usable_ms: int
    reported: Reported
    granted_ms: int
    kept_checkpoint: bool
    started_at: datetime | None
    stopped_at: datetime | None
    grace_s: int


@dataclass(frozen=True, slots=True)
class Bill:
    """Billable milliseconds, the part of the time that a checkpoint kept, and whether the meters agree.

    Where they do not, the engine claims more than the job's own reports support: the payable must wait for a case.
    supported_ms: what both meters support, whatever is billed of it; longest_ms: what either says, up to the authority.
    """

    billable_ms: int
    usable_ms: int
    meters_agree: bool
    supported_ms: int
    longest_ms: int


def compute_bill(meters: Meters, *, policy: Policy) -> Bill:
    """Return what is billed of one attempt.

    Billed is the smaller of both meters, never more than the authority, and after a stop never more than the time
    from the start to the request plus the grace, however late the engine obeys. After a fault that is not the
    member's only the time that a kept checkpoint saved is billed; see `table.py`. Then the meters need not agree: a
    cluster counts a dead node until it notices, and nothing of that is billed.

    >>> from datetime import UTC, datetime
    >>> start = datetime(2026, 3, 1, tzinfo=UTC)
    >>> meters = Meters(
    ...     state=AttemptState.SUCCEEDED, fault=Fault.NOBODY, metered_ms=61_000, usable_ms=50_000,
    ...     reported=Reported(elapsed_ms=60_900, checkpoint_ms=50_000), granted_ms=90_000, kept_checkpoint=True,
    ...     started_at=start, stopped_at=None, grace_s=10,
    ... )
    >>> compute_bill(meters, policy=Policy())
    Bill(billable_ms=60900, usable_ms=50000, meters_agree=True, supported_ms=60900, longest_ms=61000)
    """
    bound_ms = min(meters.metered_ms, meters.reported.elapsed_ms, meters.granted_ms)
    if meters.stopped_at is not None:
        bound_ms = min(bound_ms, _stop_bound_ms(meters, stopped_at=meters.stopped_at))
    usable_ms = min(bound_ms, meters.usable_ms, meters.reported.checkpoint_ms) if meters.kept_checkpoint else 0
    overhang_ms = meters.metered_ms - meters.reported.elapsed_ms
    billing = find_billing(meters.state, fault=meters.fault)
    billable_ms = {Billing.NOTHING: 0, Billing.METERED: bound_ms, Billing.USABLE: usable_ms}[billing]
    return Bill(
        billable_ms=billable_ms,
        usable_ms=usable_ms,
        meters_agree=billing is not Billing.METERED or overhang_ms <= policy.tolerance_ms,
        supported_ms=bound_ms,
        longest_ms=min(max(meters.metered_ms, meters.reported.elapsed_ms), meters.granted_ms),
    )


def _stop_bound_ms(meters: Meters, *, stopped_at: datetime) -> int:
    if meters.started_at is None:
        return 0
    until_stop_ms = (stopped_at - meters.started_at) // timedelta(milliseconds=1)
    return max(0, until_stop_ms + meters.grace_s * 1000)
