"""How each reason ends an attempt and whose fault that is, as the agent says it; the hub's table has the last word."""

from collections.abc import Mapping
from types import MappingProxyType

from lilong.protocol.messages import AttemptState, Fault, Reason

ENDS: Mapping[Reason, tuple[AttemptState, Fault]] = MappingProxyType(
    {
        Reason.COMPLETED: (AttemptState.SUCCEEDED, Fault.NOBODY),
        Reason.EXIT_NONZERO: (AttemptState.FAILED, Fault.MEMBER),
        Reason.KILLED_BY_SIGNAL: (AttemptState.FAILED, Fault.MEMBER),
        Reason.MEMORY_EXCEEDED: (AttemptState.FAILED, Fault.MEMBER),
        Reason.DISK_EXCEEDED: (AttemptState.FAILED, Fault.MEMBER),
        Reason.PROCESSES_EXCEEDED: (AttemptState.FAILED, Fault.MEMBER),
        Reason.OUTPUT_EXCEEDED: (AttemptState.FAILED, Fault.MEMBER),
        Reason.OUTPUT_MISSING: (AttemptState.FAILED, Fault.MEMBER),
        Reason.WALLTIME_REACHED: (AttemptState.TIMED_OUT, Fault.MEMBER),
        Reason.AUTHORITY_REACHED: (AttemptState.TIMED_OUT, Fault.MEMBER),
        Reason.CANCELLED_BY_MEMBER: (AttemptState.CANCELLED, Fault.MEMBER),
        Reason.CANCELLED_BY_HUB: (AttemptState.CANCELLED, Fault.HUB),
        Reason.SPEC_REFUSED: (AttemptState.REJECTED, Fault.PROVIDER),
        Reason.ISOLATION_MISSING: (AttemptState.REJECTED, Fault.PROVIDER),
        Reason.ENGINE_REFUSED: (AttemptState.REJECTED, Fault.PROVIDER),
        Reason.QUEUE_WAIT_EXCEEDED: (AttemptState.REJECTED, Fault.NOBODY),
        Reason.ENVIRONMENT_FAILED: (AttemptState.FAILED, Fault.NOBODY),
        Reason.STAGING_FAILED: (AttemptState.FAILED, Fault.PROVIDER),
        Reason.SHIM_LOST: (AttemptState.FAILED, Fault.PROVIDER),
        Reason.NODE_LOST: (AttemptState.LOST, Fault.PROVIDER),
        Reason.AGENT_LOST: (AttemptState.LOST, Fault.PROVIDER),
        Reason.PREEMPTED_BY_PROVIDER: (AttemptState.PREEMPTED, Fault.PROVIDER),
    }
)


def end_for(reason: Reason, *, asked_by_hub: bool) -> tuple[AttemptState, Fault]:
    """Return end and fault of `reason`; a stop that the hub asked for is a cancellation, whatever its reason.

    >>> end_for(Reason.WALLTIME_REACHED, asked_by_hub=True)
    (<AttemptState.CANCELLED: 'cancelled'>, <Fault.MEMBER: 'member'>)
    """
    state, fault = ENDS[reason]
    return (AttemptState.CANCELLED if asked_by_hub else state), fault
