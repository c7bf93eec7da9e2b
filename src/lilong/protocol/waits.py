"""Why a run waits: stable codes with what stands in them, and one plain English sentence for each; pages translate it.

A reason may have several parts, such as what the last pool said and what this one does.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lilong.common.sentences import Sentence
from lilong.common.time import format_duration


class WaitCode(StrEnum):
    """One kind of waiting, or a part of its explanation."""

    AGENT_MISSING = "agent_missing"
    AGENT_SILENT = "agent_silent"
    MAINTENANCE_UNTIL = "maintenance_until"
    MAINTENANCE_AHEAD = "maintenance_ahead"
    MAINTENANCE_NOW = "maintenance_now"
    PREPARING = "preparing"
    CLOSING = "closing"
    STOP_UNCONFIRMED = "stop_unconfirmed"
    STOPPING = "stopping"
    DRAINING = "draining"
    HANDING_OVER = "handing_over"
    QUEUED_FOR_CAPACITY = "queued_for_capacity"
    QUEUED_FOR_TURN = "queued_for_turn"
    QUEUED_BECAUSE = "queued_because"
    NEXT_POOL = "next_pool"
    STAGING = "staging"
    STARTING = "starting"
    SUSPENDED = "suspended"
    COLLECTING = "collecting"
    TOLD = "told"
    QUEUE_LEFT = "queue_left"
    QUEUE_LEFT_AGAIN = "queue_left_again"
    QUEUE_LEFT_FOR = "queue_left_for"


SENTENCES: Mapping[WaitCode, str] = {
    WaitCode.AGENT_MISSING: "no agent serves pool {pool} yet",
    WaitCode.AGENT_SILENT: "the agent of pool {pool} has not reported for {silent_s}",
    WaitCode.MAINTENANCE_UNTIL: "maintenance until {ends} UTC{note}",
    WaitCode.MAINTENANCE_AHEAD: (
        "pool {pool} has maintenance from {begins} to {ends} UTC{note}: {walltime_s} could reach into it, "
        "so it begins after that"
    ),
    WaitCode.MAINTENANCE_NOW: "pool {pool} has maintenance until {ends} UTC{note}: it begins after that",
    WaitCode.PREPARING: "the next attempt is being prepared",
    WaitCode.CLOSING: "the run is being closed",
    WaitCode.STOP_UNCONFIRMED: "pool {pool} has been asked to stop and has not confirmed it yet",
    WaitCode.STOPPING: "it is being stopped",
    WaitCode.DRAINING: "pool {pool} takes no new work at present",
    WaitCode.HANDING_OVER: "it is being handed to pool {pool}",
    WaitCode.QUEUED_FOR_CAPACITY: "it waits for free capacity in pool {pool}",
    WaitCode.QUEUED_FOR_TURN: "it waits for its turn in pool {pool}",
    WaitCode.QUEUED_BECAUSE: "it waits in pool {pool}: {said}",
    WaitCode.NEXT_POOL: "after {limit_s} there, pool {pool} is next",
    WaitCode.STAGING: "its inputs and environment are being brought: {done_bytes} of {total_bytes} bytes",
    WaitCode.STARTING: "it is starting",
    WaitCode.SUSPENDED: "pool {pool} has suspended it; suspended time is not billed",
    WaitCode.COLLECTING: "its outputs are being brought to the hub",
    WaitCode.TOLD: "{said}",
    WaitCode.QUEUE_LEFT: "pool {pool} had no room within {limit_s}",
    WaitCode.QUEUE_LEFT_AGAIN: "pool {pool} had no room within {limit_s}, and was asked again",
    WaitCode.QUEUE_LEFT_FOR: "pool {pool} had no room within {limit_s}, and pool {next_pool} came next",
}
"""In braces: facts of the wait; those that end with _s are seconds, with _bytes counts, all others texts."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One part of the reason why a run waits. said and note: words of a provider, in whatever language those are."""

    code: WaitCode
    facts: Mapping[str, str | int] = field(default_factory=dict[str, str | int])

    @property
    def text(self) -> Sentence:
        """The English sentence, without a capital or a full stop."""
        facts = {name: _write_english(name, value) for name, value in self.facts.items()}
        return Sentence(SENTENCES[self.code], facts)


def fill_sentence(*, wait: Wait, sentence: str, write: Callable[[str, str | int], str]) -> str:
    """Return the sentence of a wait in any language; `write` is handed each fact's name and value.

    >>> wait = Wait(WaitCode.NEXT_POOL, {"pool": "b", "limit_s": 120})
    >>> fill_sentence(wait=wait, sentence="{limit_s} → {pool}", write=lambda name, value: str(value))
    '120 → b'
    """
    return sentence.format_map({name: write(name, value) for name, value in wait.facts.items()})


def join_waits(waits: Iterable[Wait]) -> str:
    """Return the parts as one English sentence.

    >>> join_waits([Wait(WaitCode.STARTING), Wait(WaitCode.NEXT_POOL, {"pool": "b", "limit_s": 120})])
    'it is starting; after 2m there, pool b is next'
    """
    return "; ".join(wait.text for wait in waits)


def _write_english(name: str, value: str | int) -> str:
    return format_duration(int(value)) if name.endswith("_s") else str(value)
