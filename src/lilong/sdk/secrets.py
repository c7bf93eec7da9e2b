"""Secrets that the organisation's jobs may name; their values never come back."""

from collections.abc import Iterator
from datetime import datetime

from lilong.sdk.noun import Answer, Noun, address


class Secret(Answer):
    """A secret's name."""

    name: str
    changed_at: datetime


class Secrets(Noun):
    """Keep and forget secrets."""

    def list(self) -> Iterator[Secret]:
        """Yield the names of the organisation's secrets."""
        return self._list(Secret, address("secrets"))

    def put(self, name: str, *, value: str) -> None:
        """Keep a secret, or give it another value."""
        self._do("PUT", address("secrets", name), json={"value": value})

    def delete(self, name: str) -> None:
        """Forget a secret."""
        self._do("DELETE", address("secrets", name))
