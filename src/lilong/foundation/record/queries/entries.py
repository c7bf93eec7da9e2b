"""Reading entries: what everybody sees of them, and what they say to those who may know."""

from dataclasses import dataclass

from lilong.common.errors import NotFound
from lilong.common.paging import PAGE_LIMIT_MAX
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.models import Entry, Log, Payload
from lilong.foundation.record.queries.trees import PlaceInvalid
from lilong.protocol.evidence import Leaf


@dataclass(frozen=True, slots=True)
class FeedItem:
    """What everybody sees of an entry."""

    index: int
    kind: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry for those who may see it. payload: None once it is erased; index: None until it is sealed."""

    id: str
    leaf: Leaf
    origin: str
    index: int | None
    payload: str | None


def list_feed(*, log: Log, size: int, start: int, limit: int) -> list[FeedItem]:
    """Return what everybody sees of the entries from index `start`, of those under the head of `size` leaves."""
    if not 1 <= limit <= PAGE_LIMIT_MAX or start < 0:
        raise PlaceInvalid(detail=say("Ask for 1 to {most} entries from an index on.", most=PAGE_LIMIT_MAX))
    if start >= size:
        return []
    entries = Entry.objects.filter(log=log, index__gte=start, index__lt=min(size, start + limit)).order_by("index")
    return [
        FeedItem(index=entry.index, kind=entry.kind, hash=entry.leaf.hash)
        for entry in entries
        if entry.index is not None
    ]


def get_entry(*, entry_id: str, actor: Actor) -> EntryView:
    """Return an entry with what it says; raises NotFound, also when it is not the actor's to see."""
    entry = Entry.objects.visible_to(actor).select_related("log").filter(pk=entry_id).first()
    if entry is None:
        raise NotFound(detail=say("There is no entry {entry_id}.", entry_id=entry_id[:64]))
    payload = Payload.objects.filter(pk=entry_id).values_list("content", flat=True).first()
    return EntryView(
        id=entry.id,
        leaf=entry.leaf,
        origin=entry.log.origin if entry.log else "",
        index=entry.index,
        payload=payload,
    )
