"""The form of tokens: what is shown once, what is stored, and how scopes are written."""

from collections.abc import Iterable
from enum import StrEnum

from lilong.common.canonical import sha256_hex
from lilong.common.permissions import Scope

LIFE_MAX_S = 366 * 24 * 3600
LIFE_DEFAULT_S = 90 * 24 * 3600
ONE_TIME_LIFE_S = 7 * 24 * 3600
OPERATORS_FIRST = "init"
"""Name of the one-time tokens that whoever holds the hub's machine makes: they vouch for the person's address."""


class TokenUse(StrEnum):
    """What a token is good for: calling the API, or being exchanged for one that is."""

    ACCESS = "access"
    ONCE = "once"


PREFIXES = {TokenUse.ACCESS: "lil_", TokenUse.ONCE: "lilonce_"}


def find_use(text: str) -> TokenUse | None:
    """Return what a token is good for by its first letters, or None for what is no token of ours.

    >>> find_use("lil_abc"), find_use("ghp_abc")
    (<TokenUse.ACCESS: 'access'>, None)
    """
    return next((use for use, prefix in PREFIXES.items() if text.startswith(prefix)), None)


def digest_token(text: str) -> str:
    """Return what is stored of a token: its SHA-256 (it has 256 random bits, so no salt and no slow hash is needed)."""
    return sha256_hex(text.encode())


def write_scopes(scopes: Iterable[Scope]) -> str:
    """Return scopes as one text in a fixed order.

    >>> write_scopes({Scope.RUN, Scope.READ})
    'read run'
    """
    return " ".join(sorted(scopes))


def read_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes that `write_scopes` wrote."""
    return frozenset(Scope(word) for word in text.split())
