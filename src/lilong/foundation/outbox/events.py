"""The form of every event: a frozen dataclass with JSON fields and a name such as `runs.run_finished`."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events: a subclass sets `name` and has fields of text, int, bool or None."""

    name: ClassVar[str]
