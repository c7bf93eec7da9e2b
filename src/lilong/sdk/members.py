"""Who belongs to an organisation, in which role."""

from collections.abc import Iterator
from datetime import datetime

from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.tokens import NewToken


class Member(Answer):
    """A member of an organisation; id is the membership's."""

    id: str
    person_id: str
    name: str
    email: str
    role: str
    joined_at: datetime


class MemberAdded(Answer):
    """A fresh membership and the one-time token to hand over."""

    membership_id: str
    person_id: str
    one_time_token: NewToken


class Members(Noun):
    """Take people in, change their roles, let them go."""

    def list(self, *, organisation_id: str) -> Iterator[Member]:
        """Yield who belongs to an organisation."""
        return self._list(Member, address("organisations", organisation_id, "members"))

    def add(self, *, email: str, name: str, role: str) -> MemberAdded:
        """Take a person into one's own organisation."""
        return self._post(MemberAdded, address("members"), json={"email": email, "name": name, "role": role})

    def change_role(self, membership_id: str, *, role: str) -> None:
        """Give a member another role."""
        self._do("POST", address("members", membership_id, "role"), json={"role": role})

    def transfer_ownership(self, membership_id: str) -> None:
        """Make another member owner in one's own place, and become an admin."""
        self._do("POST", address("members", membership_id, "transfer"))

    def leave(self, *, organisation_id: str) -> None:
        """Leave the organisation that the token acts for; one's tokens there end with this call."""
        self._do("POST", address("me", "leave"), json={"organisation_id": organisation_id})

    def remove(self, membership_id: str) -> None:
        """Remove a member; the person's tokens for this organisation end."""
        self._do("DELETE", address("members", membership_id))

    def reset_second_factor(self, person_id: str, *, reason: str) -> None:
        """Take a lost second factor from a person, whose sessions and tokens end. For operators."""
        self._do("POST", address("people", person_id, "second-factor", "reset"), json={"reason": reason})
