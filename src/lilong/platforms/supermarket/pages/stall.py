"""What the supermarket puts on a provider's desk: offers, prices and earnings."""

from datetime import datetime

from lilong.common.permissions import Actor
from lilong.platforms.supermarket.pages.reputation import OwnReputation, show_own
from lilong.platforms.supermarket.queries.earnings import Stall, find_stall

__all__ = ["OwnReputation", "Stall", "read_stall", "show_own"]


def read_stall(*, actor: Actor, now: datetime) -> Stall | None:
    """Return what the actor's organisation sells and has earned; None while it is no provider."""
    return find_stall(actor=actor, now=now)
