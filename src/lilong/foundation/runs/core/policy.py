"""The numbers by which runs are decided. One value for the whole hub; tests pass their own."""

from dataclasses import dataclass

from lilong.protocol.messages import HEARTBEAT_S


@dataclass(frozen=True, slots=True)
class Policy:
    """How long the hub waits for what, and how often it tries.

    heartbeat_ms: period of the job wrapper's reports; the two meters may differ by two of them.
    misses_until_lost, lost_after_s: LOST needs so many complete looks without the job, over at least so long.
    away_after_s: after so much silence people are told that the agent is away; nothing else follows from it.
    unoffered_s: an attempt that no agent can have seen moves to another pool after so much silence.
    queue_wait_s: time in one pool's queue while another pool could take the run; each wait in vain doubles the next.
    queue_wait_alone_s: the most of it, and the time where no other pool could take the run.
    abandon_after_s: silence beyond the moment at which the agent must have ended the work by itself.
    stop_timeout_s: a stop that is not confirmed for so long is given up on, and its member let go.
    tell_waiting_after_s, tell_silent_after_s: when people are told that a run waits, that a pool is not seen.
    outputs_timeout_s: time for the outputs of an ended attempt, plus one second for each `outputs_bytes_per_s`.
    """

    heartbeat_ms: int = HEARTBEAT_S * 1000
    misses_until_lost: int = 3
    lost_after_s: int = 10
    away_after_s: int = 30
    unoffered_s: int = 60
    queue_wait_s: int = 120
    queue_wait_alone_s: int = 24 * 3600
    abandon_after_s: int = 24 * 3600
    stop_timeout_s: int = 3600
    outputs_timeout_s: int = 900
    outputs_bytes_per_s: int = 1024 * 1024
    tell_waiting_after_s: int = 3600
    tell_silent_after_s: int = 600
    grace_s: int = 10
    preemptions_max: int = 5
    clock_skew_max_s: int = 5

    @property
    def tolerance_ms(self) -> int:
        """How far the engine's meter may be ahead of the signed reports."""
        return 2 * self.heartbeat_ms


POLICY = Policy()
