"""The door of the outbox."""

from lilong.foundation.outbox.events import Event
from lilong.foundation.outbox.queries import list_dead_letters
from lilong.foundation.outbox.services.answers import KeyReused, StoredAnswer, digest_key, remember, store_answer
from lilong.foundation.outbox.services.deliveries import Subscriber, deliver, emit, retry_dead_letter
from lilong.foundation.outbox.services.leases import release_lease, take_lease
from lilong.foundation.outbox.services.upkeep import prune

__all__ = [
    "Event",
    "KeyReused",
    "StoredAnswer",
    "Subscriber",
    "deliver",
    "digest_key",
    "emit",
    "list_dead_letters",
    "prune",
    "release_lease",
    "remember",
    "retry_dead_letter",
    "store_answer",
    "take_lease",
]
