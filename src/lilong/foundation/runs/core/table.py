"""THE table of attempts: what follows what, which reason ends how, whose fault that is, what is billed.

A golden test prints it (tests/unit/runs/attempt_table.txt). Nothing else in Lilong knows any of this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from lilong.protocol.messages import AttemptState, Fault, Reason

S = AttemptState
R = Reason
F = Fault


class Billing(StrEnum):
    """What of an attempt's time is billed: none, all that both meters support, or what its checkpoint kept."""

    NOTHING = "nothing"
    METERED = "metered"
    USABLE = "usable"


@dataclass(frozen=True, slots=True)
class StateRule:
    """One state: how far along it is, whether the attempt has ended, what is billed by whose fault.

    phase: an attempt never goes back to a lower one; states of one phase (running, suspended) follow the newest.
    default_reason: of an end that the agent did not explain.
    """

    phase: int
    billing: Billing
    billing_if_not_members: Billing
    default_reason: Reason | None = None

    @property
    def has_ended(self) -> bool:
        """Whether this state is an end."""
        return self.default_reason is not None


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """One reason: the ends it explains, the usual one first, and whose fault it usually is."""

    ends: tuple[AttemptState, ...]
    fault: Fault


def _unbilled(phase: int) -> StateRule:
    return StateRule(phase=phase, billing=Billing.NOTHING, billing_if_not_members=Billing.NOTHING)


def _metered(phase: int) -> StateRule:
    return StateRule(phase=phase, billing=Billing.METERED, billing_if_not_members=Billing.METERED)


def _end(billing: Billing, billing_if_not_members: Billing, default_reason: Reason) -> StateRule:
    return StateRule(
        phase=6, billing=billing, billing_if_not_members=billing_if_not_members, default_reason=default_reason
    )


STATES: Mapping[AttemptState, StateRule] = MappingProxyType(
    {
        S.CREATED: _unbilled(0),
        S.SUBMITTED: _unbilled(1),
        S.QUEUED: _unbilled(2),
        S.STAGING: _unbilled(2),
        S.STARTING: _unbilled(3),
        S.RUNNING: _metered(4),
        S.SUSPENDED: _metered(4),
        S.STOPPING: _metered(5),
        S.SUCCEEDED: _end(Billing.METERED, Billing.METERED, R.COMPLETED),
        S.FAILED: _end(Billing.METERED, Billing.USABLE, R.SHIM_LOST),
        S.CANCELLED: _end(Billing.METERED, Billing.USABLE, R.CANCELLED_BY_HUB),
        S.PREEMPTED: _end(Billing.USABLE, Billing.USABLE, R.PREEMPTED_BY_PROVIDER),
        S.TIMED_OUT: _end(Billing.METERED, Billing.USABLE, R.WALLTIME_REACHED),
        S.REJECTED: _end(Billing.NOTHING, Billing.NOTHING, R.ENGINE_REFUSED),
        S.LOST: _end(Billing.USABLE, Billing.USABLE, R.NODE_LOST),
    }
)

REASONS: Mapping[Reason, ReasonRule] = MappingProxyType(
    {
        R.COMPLETED: ReasonRule(ends=(S.SUCCEEDED,), fault=F.NOBODY),
        R.EXIT_NONZERO: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.KILLED_BY_SIGNAL: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.MEMORY_EXCEEDED: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.DISK_EXCEEDED: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.PROCESSES_EXCEEDED: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.OUTPUT_EXCEEDED: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.OUTPUT_MISSING: ReasonRule(ends=(S.FAILED,), fault=F.MEMBER),
        R.WALLTIME_REACHED: ReasonRule(ends=(S.TIMED_OUT, S.CANCELLED), fault=F.MEMBER),
        R.AUTHORITY_REACHED: ReasonRule(ends=(S.TIMED_OUT, S.CANCELLED), fault=F.MEMBER),
        R.CANCELLED_BY_MEMBER: ReasonRule(ends=(S.CANCELLED,), fault=F.MEMBER),
        R.CANCELLED_BY_HUB: ReasonRule(ends=(S.CANCELLED,), fault=F.HUB),
        R.SPEC_REFUSED: ReasonRule(ends=(S.REJECTED,), fault=F.PROVIDER),
        R.ISOLATION_MISSING: ReasonRule(ends=(S.REJECTED, S.FAILED), fault=F.PROVIDER),
        R.ENVIRONMENT_FAILED: ReasonRule(ends=(S.FAILED, S.REJECTED), fault=F.NOBODY),
        R.STAGING_FAILED: ReasonRule(ends=(S.FAILED,), fault=F.PROVIDER),
        R.SHIM_LOST: ReasonRule(ends=(S.FAILED,), fault=F.PROVIDER),
        R.NODE_LOST: ReasonRule(ends=(S.LOST, S.FAILED), fault=F.PROVIDER),
        R.AGENT_LOST: ReasonRule(ends=(S.LOST, S.REJECTED), fault=F.PROVIDER),
        R.PREEMPTED_BY_PROVIDER: ReasonRule(ends=(S.PREEMPTED,), fault=F.PROVIDER),
        R.ENGINE_REFUSED: ReasonRule(ends=(S.REJECTED,), fault=F.PROVIDER),
        R.QUEUE_WAIT_EXCEEDED: ReasonRule(ends=(S.REJECTED,), fault=F.NOBODY),
        R.WAITING_FOR_CAPACITY: ReasonRule(ends=(), fault=F.NOBODY),
    }
)

LIVE_STATES = tuple(state for state, rule in STATES.items() if not rule.has_ended)
HAS_RUN_PHASE = STATES[S.RUNNING].phase


def next_state(state: AttemptState, observed: AttemptState) -> AttemptState:
    """Return the state after an agent that is up to date observes `observed` of an attempt in `state`.

    An end is final; nothing goes back, but inputs may be brought before it queues or after; work that ran cannot be
    rejected any more, it failed.

    >>> next_state(AttemptState.CREATED, AttemptState.RUNNING), next_state(AttemptState.RUNNING, AttemptState.QUEUED)
    (<AttemptState.RUNNING: 'running'>, <AttemptState.RUNNING: 'running'>)
    """
    if STATES[state].has_ended or STATES[observed].phase < STATES[state].phase:
        return state
    if observed is S.REJECTED and STATES[state].phase >= HAS_RUN_PHASE:
        return S.FAILED
    return observed


def explain_end(state: AttemptState, *, reason: Reason | None) -> Reason:
    """Return the reason of an end: the one given when it explains this state, else the state's default.

    >>> explain_end(AttemptState.SUCCEEDED, reason=Reason.SHIM_LOST)
    <Reason.COMPLETED: 'completed'>
    """
    if reason is not None and state in REASONS[reason].ends:
        return reason
    default = STATES[state].default_reason
    if default is None:
        raise ValueError(f"{state} is not an end.")
    return default


def find_billing(state: AttemptState, *, fault: Fault | None) -> Billing:
    """Return what is billed of an attempt in `state` that ended, if it did, by this fault.

    >>> find_billing(AttemptState.FAILED, fault=Fault.PROVIDER)
    <Billing.USABLE: 'usable'>
    """
    rule = STATES[state]
    return rule.billing_if_not_members if fault in {F.PROVIDER, F.HUB} else rule.billing


def render_table() -> str:
    """Return the whole table as text, for the golden test and the reference page."""
    lines = ["State (row) and what an agent that is up to date observes (column): the next state; `.` it stays.", ""]
    lines.append(_render_row("", [str(observed) for observed in S]))
    for state in S:
        steps = [next_state(state, observed) for observed in S]
        lines.append(_render_row(state, ["." if step is state else step for step in steps]))
    lines += ["", "What is billed of a state; after a fault of provider or hub; reason of an end that gives none.", ""]
    for state, rule in STATES.items():
        reason = rule.default_reason or "."
        lines.append(_render_row(state, [rule.billing, rule.billing_if_not_members, reason]))
    lines += ["", "Whose fault a reason usually is; how it ends.", ""]
    lines += [
        f"{reason:<23}{of_reason.fault:<11}{', '.join(of_reason.ends) or '.'}" for reason, of_reason in REASONS.items()
    ]
    return "\n".join(lines) + "\n"


def _render_row(head: str, cells: Sequence[str]) -> str:
    return "".join(f"{cell:<11}" for cell in [head, *cells]).rstrip()
