"""What later rooms may want to know about members."""

from dataclasses import dataclass
from typing import ClassVar

from lilong.foundation.outbox.events import Event


@dataclass(frozen=True, slots=True)
class OrganisationApplied(Event):
    """An organisation signed up and waits for its admission."""

    name: ClassVar[str] = "members.organisation_applied"
    organisation_id: str


@dataclass(frozen=True, slots=True)
class OrganisationAdmitted(Event):
    """An organisation may order from now on."""

    name: ClassVar[str] = "members.organisation_admitted"
    organisation_id: str
