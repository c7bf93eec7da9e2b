"""What the supermarket puts on a provider's desk: offers, prices and earnings."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from lilong.common.permissions import Actor
from lilong.platforms.supermarket.pages.reputation import OwnReputation, read_own
from lilong.platforms.supermarket.queries.earnings import Stall, find_stall

__all__ = ["OwnReputation", "Stall", "read_own_reputation", "read_stall"]


def read_stall(*, actor: Actor, now: datetime) -> Stall | None:
    """Return what the actor's organisation sells and has earned; None while it is no provider."""
    return find_stall(actor=actor, now=now)


def read_own_reputation(*, actor: Actor, names: Mapping[str, str]) -> Sequence[OwnReputation]:
    """Return how the pools of the actor's organisation did what they sold; names: theirs by id. One query."""
    return read_own(organisation_id=actor.organisation_id, names=names)
