"""What later rooms may want to know about cases."""

from dataclasses import dataclass
from typing import ClassVar

from lilong.foundation.outbox.events import Event


@dataclass(frozen=True, slots=True)
class CaseDecided(Event):
    """A case was approved or refused, for good; decision is `approved` or `refused`."""

    name: ClassVar[str] = "cases.case_decided"
    case_id: str
    kind: str
    subject_id: str
    decision: str
