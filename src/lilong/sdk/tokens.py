"""Tokens, each for one person in one organisation."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from lilong.sdk.noun import Answer, Noun, address


class NewToken(Answer):
    """A fresh token; `secret` is shown this once."""

    token_id: str
    secret: str = Field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime


class Token(Answer):
    """A live token, without its secret."""

    id: str
    person_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


class Tokens(Noun):
    """Make, list and end tokens."""

    def exchange(self, *, token: str, name: str) -> NewToken:
        """Trade a one-time token for a token. Needs no other token."""
        return self._post(NewToken, address("tokens", "exchange"), json={"token": token, "name": name})

    def exchange_grant(self, *, access_token: str, name: str) -> NewToken:
        """Trade what a device was granted for a token. Needs no other token."""
        return self._post(NewToken, address("tokens", "device"), json={"access_token": access_token, "name": name})

    def create(self, *, name: str, scopes: Sequence[str], expires_in_s: int | None = None) -> NewToken:
        """Make another token for oneself, with some of one's own scopes."""
        body: dict[str, object] = {"name": name, "scopes": sorted(scopes)}
        if expires_in_s is not None:
            body["expires_in_s"] = expires_in_s
        return self._post(NewToken, address("tokens"), json=body)

    def list(self) -> Iterator[Token]:
        """Yield live tokens: one's own, or everybody's for who manages the organisation."""
        return self._list(Token, address("tokens"))

    def revoke(self, token_id: str) -> None:
        """End a token."""
        self._do("DELETE", address("tokens", token_id))
