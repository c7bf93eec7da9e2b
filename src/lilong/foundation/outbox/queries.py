"""Reads of the outbox."""

from lilong.common.django.paging import page_oldest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.outbox.models import Delivery


def list_dead_letters(*, actor: Actor, cursor: str | None, limit: int) -> Page[Delivery]:
    """Return deliveries that were given up, oldest first, with their events; for the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    dead = Delivery.objects.filter(dead_at__isnull=False).select_related("event")
    return page_oldest_first(dead, cursor=cursor, limit=limit)
