"""The form of an invitation's secret, how long it is good, and why one is not good any more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lilong.common.canonical import sha256_hex

PREFIX = "lilinv_"
LIFE = timedelta(days=14)
PAGE = "/invitation"
GENERATIONS_MAX = 10
"""So often one organisation writes to an address, however often it withdraws and invites anew, within LIFE."""
INVITATIONS_A_DAY = 100
"""So many people one organisation writes to in a day: a hub is no way to write to strangers."""


class InvitationState(StrEnum):
    """Where an invitation stands; all but open are for good, and an expired one can be sent again."""

    OPEN = "open"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class InvitationTimes:
    """What decides where an invitation stands."""

    expires_at: datetime
    accepted_at: datetime | None
    withdrawn_at: datetime | None


def find_state(times: InvitationTimes, *, now: datetime) -> InvitationState:
    """Return where an invitation stands at this moment."""
    if times.accepted_at is not None:
        return InvitationState.ACCEPTED
    if times.withdrawn_at is not None:
        return InvitationState.WITHDRAWN
    return InvitationState.OPEN if now < times.expires_at else InvitationState.EXPIRED


def format_link(*, hub_url: str, secret: str) -> str:
    """Return the address of the page on which an invitation is accepted; only its mail may hold it.

    >>> format_link(hub_url="https://hub.example/", secret="lilinv_x")
    'https://hub.example/invitation?secret=lilinv_x'
    """
    return f"{hub_url.rstrip('/')}{PAGE}?secret={secret}"


def digest_secret(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256 (it has 256 bits that nobody can guess)."""
    return sha256_hex(secret.encode())
