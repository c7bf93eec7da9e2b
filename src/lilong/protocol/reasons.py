"""What a reason's code says, in one plain English sentence; pages translate it."""

from collections.abc import Mapping

from lilong.protocol.messages import Reason

SENTENCES: Mapping[Reason, str] = {
    Reason.COMPLETED: "It ended by itself.",
    Reason.EXIT_NONZERO: "Its command ended with an exit code that is not 0.",
    Reason.KILLED_BY_SIGNAL: "A signal ended its command.",
    Reason.MEMORY_EXCEEDED: "It needed more memory than it had asked for.",
    Reason.DISK_EXCEEDED: "It wrote more to disk than it may.",
    Reason.PROCESSES_EXCEEDED: "It started more processes than it may.",
    Reason.OUTPUT_EXCEEDED: "An output is larger than it was declared to be.",
    Reason.OUTPUT_MISSING: "An output that was declared is not there.",
    Reason.WALLTIME_REACHED: "It reached its walltime.",
    Reason.AUTHORITY_REACHED: "The time that is paid for was used up.",
    Reason.CANCELLED_BY_MEMBER: "Its organisation cancelled it.",
    Reason.CANCELLED_BY_HUB: "The hub cancelled it.",
    Reason.SPEC_REFUSED: "The pool refused what the job asks for.",
    Reason.ISOLATION_MISSING: "The pool cannot isolate it as it asks.",
    Reason.ENVIRONMENT_FAILED: "Its environment could not be made.",
    Reason.STAGING_FAILED: "Its inputs could not be brought.",
    Reason.SHIM_LOST: "The process that watched over it was lost.",
    Reason.NODE_LOST: "The node that it ran on was lost.",
    Reason.AGENT_LOST: "The pool was not heard of for too long.",
    Reason.PREEMPTED_BY_PROVIDER: "The provider took its machines back.",
    Reason.ENGINE_REFUSED: "The pool's scheduler refused it.",
    Reason.QUEUE_WAIT_EXCEEDED: "It waited in the queue for as long as it may.",
    Reason.WAITING_FOR_CAPACITY: "It waits for free capacity.",
}
"""One sentence for each reason; an agent newer than the hub cannot bring another, the message is refused."""
