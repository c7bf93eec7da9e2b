"""What happened to runs, for later rooms: wake-ups, as everything can be found from `get_runs` too."""

from dataclasses import dataclass
from typing import ClassVar

from lilong.foundation.outbox.public import Event


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The run's command was seen running for the first time."""

    name: ClassVar[str] = "runs.run_started"
    run_id: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The run's last attempt has settled and no other will follow."""

    name: ClassVar[str] = "runs.run_finished"
    run_id: str
