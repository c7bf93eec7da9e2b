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


@dataclass(frozen=True, slots=True)
class InvitationMade(Event):
    """An invitation is to be sent, or sent again.

    The secret does not stand here: whoever sends the mail asks `public.invitations.reveal_invitation` for it, which has
    nothing to say once the invitation was answered, withdrawn or sent again.
    """

    name: ClassVar[str] = "members.invitation_made"
    organisation_id: str
    invitation_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class PersonErased(Event):
    """Name and address of a person are gone from members' tables; whoever keeps a copy erases it, too."""

    name: ClassVar[str] = "members.person_erased"
    person_id: str
