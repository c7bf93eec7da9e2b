"""What later rooms may want to know about cases."""

from dataclasses import dataclass
from typing import ClassVar

from lilong.foundation.outbox.events import Event


@dataclass(frozen=True, slots=True)
class CaseDecided(Event):
    """A case was approved or refused, for good; decision is `approved` or `refused`.

    When an appeal is decided, kind and subject are those of the request that it is about: an approval does the opposite
    of what the first decision did.
    """

    name: ClassVar[str] = "cases.case_decided"
    case_id: str
    kind: str
    subject_id: str
    decision: str


@dataclass(frozen=True, slots=True)
class CaseOverdue(Event):
    """The time for a case was over and nobody had decided; said once."""

    name: ClassVar[str] = "cases.case_overdue"
    case_id: str
    kind: str
    subject_id: str
