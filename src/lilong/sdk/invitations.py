"""Inviting people into one's organisation, and joining another."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from lilong.sdk.members import MemberAdded
from lilong.sdk.noun import Answer, Noun, address


class NewInvitation(Answer):
    """A fresh invitation; `secret` is shown this once, besides the mail."""

    id: str
    email: str
    role: str
    secret: str = Field(repr=False)
    expires_at: datetime


class Invitation(Answer):
    """An invitation that nobody has accepted yet; state: open or expired."""

    id: str
    organisation_id: str
    organisation_name: str
    email: str
    role: str
    state: str
    invited_by: str
    times_sent: int
    created_at: datetime
    expires_at: datetime


class Invitations(Noun):
    """Invite, send again, withdraw, accept."""

    def create(self, *, email: str, role: str, language: str | None = None) -> NewInvitation:
        """Invite an address into one's own organisation; language: of the mail, one's own where it is left out."""
        wanted = {"email": email, "role": role, "language": language}
        return self._post(NewInvitation, address("invitations"), json=wanted)

    def list(self) -> Iterator[Invitation]:
        """Yield the invitations that nobody has accepted, newest first; expired ones, too."""
        return self._list(Invitation, address("invitations"))

    def send_again(self, invitation_id: str) -> NewInvitation:
        """Send an invitation again, with a new secret; the one sent before no longer works."""
        return self._post(NewInvitation, address("invitations", invitation_id, "send"))

    def withdraw(self, invitation_id: str) -> None:
        """Take an invitation back."""
        self._do("DELETE", address("invitations", invitation_id))

    def accept(self, *, secret: str) -> MemberAdded:
        """Join by an invitation to one's own confirmed address; the answer holds a token for that organisation."""
        return self._post(MemberAdded, address("invitations", "accept"), json={"secret": secret})
