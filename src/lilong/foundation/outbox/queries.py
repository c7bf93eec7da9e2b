"""Reads of the outbox."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from lilong.common.django.paging import page_oldest_first
from lilong.common.ids import read_moment
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.outbox.models import Delivery, Lease, WaitingEvent


def list_dead_letters(*, actor: Actor, cursor: str | None, limit: int) -> Page[Delivery]:
    """Return deliveries that were given up, oldest first, with their events; for the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    dead = Delivery.objects.filter(dead_at__isnull=False).select_related("event")
    return page_oldest_first(dead, cursor=cursor, limit=limit)


@dataclass(frozen=True, slots=True)
class OutboxStanding:
    """How deliveries get on. late_s: for how long the oldest that is due has waited; dead: given up."""

    waiting: int
    late_s: float
    dead: int


def get_standing(*, now: datetime) -> OutboxStanding:
    """Return how deliveries get on. One query."""
    alive = Q(dead_at=None)
    found = Delivery.objects.aggregate(
        waiting=Count("id", filter=alive), next_at=Min("next_at", filter=alive), dead=Count("id", filter=~alive)
    )
    late_s = (now - found["next_at"]).total_seconds() if found["next_at"] else 0.0
    return OutboxStanding(waiting=found["waiting"], late_s=max(0.0, late_s), dead=found["dead"])


def is_leased(*, name: str, now: datetime) -> bool:
    """Say whether anybody holds the lease."""
    return Lease.objects.filter(name=name, expires_at__gt=now).exists()


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """Events that wait for a delivery, when the oldest of them happened, and deliveries that were given up."""

    events: int
    oldest_at: datetime | None
    dead: int


def measure_backlog() -> OutboxBacklog:
    """Return what has not been delivered. One query. Cost: linear in events that wait or were given up."""
    waits = Q(dispatched_at=None) | Q(delivery__isnull=False, delivery__dead_at=None)
    found = WaitingEvent.objects.aggregate(
        events=Count("id", distinct=True, filter=waits),
        oldest=Min("id", filter=waits),
        dead=Count("delivery", filter=Q(delivery__dead_at__isnull=False)),
    )
    oldest_at = read_moment(found["oldest"]) if found["oldest"] else None
    return OutboxBacklog(events=found["events"], oldest_at=oldest_at, dead=found["dead"])
