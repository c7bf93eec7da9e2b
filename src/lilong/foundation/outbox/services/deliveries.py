"""Take events into the outbox and hand them to their subscribers, at least once, one transaction per subscriber."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog
from django.db import transaction

from lilong.common.canonical import Json, canonical_json
from lilong.common.errors import NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.outbox.core.retries import find_next_try
from lilong.foundation.outbox.events import Event
from lilong.foundation.outbox.models import Delivery, WaitingEvent

Subscriber: TypeAlias = Callable[..., None]
"""A function `(payload: dict[str, Json], *, now: datetime) -> None` whose effect is idempotent."""

CLAIM_S = 30

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Claimed:
    delivery_id: str
    attempts: int
    subscriber: str
    payload: Mapping[str, Json]


def emit(*, event: Event) -> None:
    """Put `event` into the outbox, in the caller's transaction; raises TypeError for fields without a JSON form."""
    payload = asdict(event)
    canonical_json(payload)
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An event is emitted in the transaction that made it true.")
    event_id = new_id("evt")
    WaitingEvent.objects.create(id=event_id, name=event.name, payload=payload)


def deliver(*, now: datetime, subscribers: Mapping[str, Sequence[Subscriber]], limit: int = 100) -> int:
    """Hand waiting events to `subscribers`, by event name, and return how many deliveries were done.

    Each subscriber acts in a transaction of its own that also deletes the delivery. One that fails is tried again
    later and holds up nobody. At most `limit` events are dispatched and `limit` deliveries tried; idle calls only read.
    """
    functions = {_name_subscriber(function): function for group in subscribers.values() for function in group}
    if WaitingEvent.objects.filter(dispatched_at=None).exists():
        _dispatch(now=now, subscribers=subscribers, limit=limit)
    done = 0
    for claimed in _claim(now=now, limit=limit):
        try:
            done += _run(claimed, function=functions[claimed.subscriber], now=now)
        except Exception as error:  # whatever a subscriber raises, or its absence, must not hold up the others
            log.warning("delivery_failed", delivery=claimed.delivery_id, subscriber=claimed.subscriber, exc_info=error)
            _record_failure(claimed, error=error, now=now)
    return done


def _name_subscriber(function: Subscriber) -> str:
    """Return the name under which the deliveries of `function` are kept.

    >>> _name_subscriber(emit)
    'lilong.foundation.outbox.services.deliveries.emit'
    """
    return f"{function.__module__}.{function.__qualname__}"


def retry_dead_letter(*, actor: Actor, delivery_id: str, now: datetime) -> None:
    """Let a delivery that was given up be tried again from the start; for the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        dead = Delivery.objects.filter(id=delivery_id, dead_at__isnull=False)
        if not dead.update(dead_at=None, attempts=0, next_at=now):
            raise NotFound(detail=say("There is no dead letter {delivery_id}.", delivery_id=delivery_id))


def _dispatch(*, now: datetime, subscribers: Mapping[str, Sequence[Subscriber]], limit: int) -> None:
    with transaction.atomic():
        waiting = WaitingEvent.objects.select_for_update(skip_locked=True).filter(dispatched_at=None)
        events = list(waiting.order_by("id")[:limit])
        deliveries = [
            Delivery(id=new_id("dlv"), event=event, subscriber=_name_subscriber(function), next_at=now)
            for event in events
            for function in subscribers.get(event.name, ())
        ]
        Delivery.objects.bulk_create(deliveries)
        heard = {delivery.event_id for delivery in deliveries}
        WaitingEvent.objects.filter(id__in=heard).update(dispatched_at=now)
        WaitingEvent.objects.filter(id__in=[event.id for event in events if event.id not in heard]).delete()


def _claim(*, now: datetime, limit: int) -> list[_Claimed]:
    due = Delivery.objects.filter(dead_at=None, next_at__lte=now)
    if not due.exists():
        return []
    with transaction.atomic():
        rows = list(
            due.select_for_update(skip_locked=True, of=("self",)).select_related("event").order_by("event_id")[:limit]
        )
        for row in rows:
            row.attempts += 1
            row.next_at = now + timedelta(seconds=CLAIM_S)
        Delivery.objects.bulk_update(rows, ["attempts", "next_at"])
    return [_Claimed(row.id, row.attempts, row.subscriber, row.event.payload) for row in rows]


def _run(claimed: _Claimed, *, function: Subscriber, now: datetime) -> bool:
    """Act and delete the delivery, unless another worker took it over meanwhile; return whether it acted."""
    with transaction.atomic():
        mine = Delivery.objects.select_for_update().filter(id=claimed.delivery_id, attempts=claimed.attempts)
        row = mine.first()
        if row is None:
            return False
        function(dict(claimed.payload), now=now)
        row.delete()
        if not Delivery.objects.filter(event_id=row.event_id).exists():
            WaitingEvent.objects.filter(id=row.event_id).delete()
    return True


def _record_failure(claimed: _Claimed, *, error: Exception, now: datetime) -> None:
    next_at = find_next_try(attempts=claimed.attempts, now=now)
    with transaction.atomic():
        mine = Delivery.objects.filter(id=claimed.delivery_id, attempts=claimed.attempts)
        mine.update(
            next_at=next_at or now,
            dead_at=now if next_at is None else None,
            last_error=f"{type(error).__name__}: {error}".replace("\0", "")[:1000],
        )
