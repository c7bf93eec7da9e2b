"""The record as people browse it: a page of the feed, one entry with its proof, all about one subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.record.models import Cosignature, Entry, Head, Log, Payload
from lilong.foundation.record.queries.entries import EntryView, FeedItem, list_feed
from lilong.foundation.record.queries.heads import (
    PublishedHead,
    count_required,
    find_open_log,
    find_published_head,
    list_witnesses,
)
from lilong.foundation.record.queries.status import TRUSTED_FOR, WitnessStatus, list_witness_statuses
from lilong.foundation.record.queries.trees import prove_inclusion
from lilong.protocol.checkpoint import parse_checkpoint, parse_note
from lilong.protocol.evidence import Leaf
from lilong.protocol.transparency import is_included

HEADS_READ = 50
ABOUT_MAX = 100


class EntryUnpublished(NotFound):
    """The published head does not reach as far as this index."""

    code = "record.entry_unpublished"
    title = "There is no such entry under the published head"
    next_step = "Read the head first: indexes lie below its size."


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A published head in a list, with the names of who cosigned it."""

    size: int
    signed_at: datetime
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Entries of the open log, newest first, as everybody sees them. before: where the next page begins, or None."""

    origin: str
    size: int
    items: Sequence[FeedItem]
    before: int | None
    heads: Sequence[HeadRow]


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry with its proof under the published head. opened: what it says, for those it concerns.

    proof: hashes from the leaf upwards. holds: whether they lead to the root that the head signs.
    """

    item: FeedItem
    origin: str
    size: int
    signed_at: datetime
    root: bytes
    proof: tuple[bytes, ...]
    holds: bool
    opened: EntryView | None


@dataclass(frozen=True, slots=True)
class EntryAbout:
    """An entry about a subject. index: None until it is sealed; is_open_log: whether it stands in the log of today."""

    id: str
    kind: str
    recorded_at: datetime
    index: int | None
    is_open_log: bool


@dataclass(frozen=True, slots=True)
class RecordHealth:
    """What an operator has to know of the record.

    behind: entries that no published head covers, the oldest from oldest_at. silent: witnesses that have not confirmed
    the log lately, with what was last heard, in words.
    """

    behind: int
    oldest_at: datetime | None
    silent: Sequence[WitnessStatus]


def get_health(*, actor: Actor, now: datetime) -> RecordHealth:
    """Return how the record is; for the operator. Four queries."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    heads = list(Head.objects.filter(log__is_open=True).select_related("log").order_by("-size")[:HEADS_READ])
    published = _read_rows(heads)
    uncovered = Q(log=None)
    if heads:
        uncovered |= Q(log=heads[0].log, index__gte=published[0].size if published else 0)
    waiting = Entry.objects.filter(uncovered).aggregate(count=Count("id"), oldest_at=Min("recorded_at"))
    return RecordHealth(
        behind=waiting["count"],
        oldest_at=waiting["oldest_at"],
        silent=[
            witness
            for witness in list_witness_statuses()
            if witness.problem or witness.checked_at is None or witness.checked_at <= now - TRUSTED_FOR
        ],
    )


def list_newest(*, before: int | None, limit: int, heads: int) -> FeedPage | None:
    """Return entries below index `before`, newest first, and the newest heads; None while nothing is published.

    Seven queries at most.
    """
    log = find_open_log()
    head = find_published_head(log=log) if log else None
    if log is None or head is None:
        return None
    end = head.size if before is None else max(0, min(before, head.size))
    start = max(0, end - limit)
    items = list_feed(log=log, size=head.size, start=start, limit=end - start) if end > start else []
    return FeedPage(
        origin=log.origin,
        size=head.size,
        items=items[::-1],
        before=start or None,
        heads=_list_heads(log, limit=heads),
    )


def get_proven_entry(*, actor: Actor, index: int) -> ProvenEntry:
    """Return the entry at an index of the open log with its proof; raises EntryUnpublished. Six queries at most."""
    log = find_open_log()
    head: PublishedHead | None = find_published_head(log=log) if log else None
    if log is None or head is None or not 0 <= index < head.size:
        raise EntryUnpublished(facts={"size": head.size if head else 0})
    item = list_feed(log=log, size=head.size, start=index, limit=1)[0]
    proof = prove_inclusion(log=log, index=index, size=head.size)
    root = parse_checkpoint(parse_note(head.note).body).root
    return ProvenEntry(
        item=item,
        origin=log.origin,
        size=head.size,
        signed_at=head.signed_at,
        root=root,
        proof=proof,
        holds=is_included(leaf=item.hash, index=index, size=head.size, proof=proof, root=root),
        opened=_find_opened(log, index, actor),
    )


def list_about(*, actor: Actor, subject_id: str) -> list[EntryAbout]:
    """Return what is recorded about a subject and the actor may see, oldest first, at most ABOUT_MAX. One query."""
    entries = Entry.objects.visible_to(actor).filter(subject_id=subject_id).select_related("log").order_by("id")
    return [
        EntryAbout(
            id=entry.id,
            kind=entry.kind,
            recorded_at=entry.recorded_at,
            index=entry.index,
            is_open_log=entry.log is not None and entry.log.is_open,
        )
        for entry in entries[:ABOUT_MAX]
    ]


def _list_heads(log: Log, *, limit: int) -> list[HeadRow]:
    return _read_rows(list(Head.objects.filter(log=log).order_by("-size")[:HEADS_READ]))[:limit]


def _read_rows(heads: Sequence[Head]) -> list[HeadRow]:
    """Return those heads that enough witnesses cosigned, with who did. One query."""
    keys, required = {witness.key.text: witness.key.name for witness in list_witnesses()}, count_required()
    signed: dict[str, list[str]] = {}
    signatures = Cosignature.objects.filter(head__in=heads, witness_key__in=list(keys)).order_by("witness_key")
    for head_id, key in signatures.values_list("head_id", "witness_key"):
        signed.setdefault(head_id, []).append(keys[key])
    rows = [
        HeadRow(size=head.size, signed_at=head.signed_at, witnesses=tuple(signed.get(head.id, ()))) for head in heads
    ]
    return [row for row in rows if len(row.witnesses) >= required]


def _find_opened(log: Log, index: int, actor: Actor) -> EntryView | None:
    entry = Entry.objects.visible_to(actor).filter(log=log, index=index).first()
    if entry is None:
        return None
    payload = Payload.objects.filter(pk=entry.id).values_list("content", flat=True).first()
    leaf: Leaf = entry.leaf
    return EntryView(id=entry.id, leaf=leaf, origin=log.origin, index=index, payload=payload)
