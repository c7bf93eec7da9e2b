"""Organisations, and who acts by a token."""

from collections.abc import Iterator
from datetime import datetime

from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.tokens import NewToken


class Organisation(Answer):
    """An organisation; state: applied, admitted or suspended."""

    id: str
    name: str
    kind: str
    state: str
    created_at: datetime


class SignedUp(Answer):
    """A fresh organisation with its owner's token."""

    organisation_id: str
    person_id: str
    membership_id: str
    token: NewToken


class Me(Answer):
    """Who acts by the token in use."""

    person_id: str
    name: str
    email: str
    organisation: Organisation
    role: str
    scopes: tuple[str, ...]
    token_id: str


class Organisations(Noun):
    """Found organisations and look at them."""

    def sign_up(self, *, name: str, owner_email: str, owner_name: str, kind: str = "resident") -> SignedUp:
        """Found an organisation that applies for admission. Needs no token."""
        body = {"name": name, "kind": kind, "owner_email": owner_email, "owner_name": owner_name}
        return self._post(SignedUp, address("organisations"), json=body)

    def get_me(self) -> Me:
        """Return who acts by the token in use."""
        return self._get(Me, address("me"))

    def get(self, organisation_id: str) -> Organisation:
        """Return one's own organisation; an operator gets any."""
        return self._get(Organisation, address("organisations", organisation_id))

    def list(self) -> Iterator[Organisation]:
        """Yield every organisation, newest first; for operators."""
        return self._list(Organisation, address("organisations"))

    def suspend(self, organisation_id: str, *, reason: str) -> None:
        """Keep an organisation from ordering; for operators."""
        self._do("POST", address("organisations", organisation_id, "suspend"), json={"reason": reason})

    def reinstate(self, organisation_id: str, *, reason: str) -> None:
        """Let a suspended organisation order again; for operators."""
        self._do("POST", address("organisations", organisation_id, "reinstate"), json={"reason": reason})
