"""Giving entries their places: one sealer at a time orders what was written, signs the head and has it cosigned."""

from datetime import datetime

from django.db import transaction

from lilong.common.ids import new_id
from lilong.foundation.outbox.public import release_lease, take_lease
from lilong.foundation.record.models import POSITION_BITS, Cosignature, Entry, Head, Log, Node
from lilong.foundation.record.queries.heads import count_required, find_open_log
from lilong.foundation.record.queries.trees import read_peaks
from lilong.foundation.record.services.cosigning import collect_cosignatures, list_lagging_witnesses
from lilong.foundation.record.services.key_files import list_active_keys
from lilong.foundation.record.services.logs import open_log
from lilong.foundation.record.services.standing import CHECK_EVERY, confirm_standing, list_due_witnesses
from lilong.protocol.checkpoint import Checkpoint, SignedNote, sign_log_note
from lilong.protocol.transparency import Growth, count_stored, grow_tree

LEASE = "record.seal"
LEASE_S = 10
BATCH = 1_000
BATCHES_MAX = 20


def seal(*, now: datetime) -> int:
    """Order waiting entries into the log, sign the new head, ask witnesses to cosign it; return how many were sealed.

    Does nothing while another process seals, or while the witnesses have not confirmed that our log is the newest
    they know. A head is signed over what is committed with it, and shown to nobody before it is cosigned.
    """
    if not _has_work(now):
        return 0
    holder = new_id("hol")
    if not take_lease(name=LEASE, holder=holder, seconds=LEASE_S, now=now):
        return 0
    try:
        open_log(now=now)
        if not confirm_standing(now=now):
            return 0
        sealed = 0
        for _ in range(BATCHES_MAX):
            batch = _seal_batch(now)
            sealed += batch
            if batch < BATCH:
                break
        collect_cosignatures(now=now)
    finally:
        release_lease(name=LEASE, holder=holder)
    return sealed


def _has_work(now: datetime) -> bool:
    return (
        find_open_log() is None
        or Entry.objects.filter(log=None).exists()
        or bool(list_due_witnesses(now=now, every=CHECK_EVERY))
        or bool(list_lagging_witnesses(now=now))
    )


def _seal_batch(now: datetime) -> int:
    """Seal up to BATCH entries under one new head, in one transaction that a second sealer cannot share."""
    with transaction.atomic():
        log = Log.objects.select_for_update().get(is_open=True)
        entries = list(Entry.objects.filter(log=None).order_by("id")[:BATCH])
        if not entries:
            return 0
        peaks = read_peaks(log=log, size=log.size)
        growth = grow_tree(size=log.size, peaks=peaks, leaves=[entry.leaf.hash for entry in entries])
        _store_hashes(log, growth)
        for index, entry in enumerate(entries, start=log.size):
            entry.log, entry.index = log, index
        _store_places(entries)
        _sign_head(log, growth, now)
        Log.objects.filter(pk=log.pk).update(size=growth.size)
    return len(entries)


def _store_places(entries: list[Entry]) -> None:
    """Write log and index of rows that exist; as an upsert this is five times faster than `bulk_update`."""
    Entry.objects.bulk_create(entries, update_conflicts=True, update_fields=["log", "index"], unique_fields=["id"])


def _store_hashes(log: Log, growth: Growth) -> None:
    first = (log.number << POSITION_BITS) | count_stored(size=log.size)
    Node.objects.bulk_create([Node(id=first + place, hash=node) for place, node in enumerate(growth.hashes)])


def _sign_head(log: Log, growth: Growth, now: datetime) -> None:
    """Sign the grown tree's head; it takes the place of the head before when no witness has cosigned that one."""
    if count_required():
        unseen = Head.objects.filter(log=log, size=log.size)
        unseen.exclude(pk__in=Cosignature.objects.values("head")).delete()
    body = Checkpoint(origin=log.origin, size=growth.size, root=growth.root).body
    lines = tuple(sign_log_note(body=body, key=key) for key in list_active_keys(origin=log.origin, now=now))
    note = SignedNote(body=body, lines=lines).text
    Head.objects.create(id=new_id("hed"), log=log, size=growth.size, note=note, signed_at=now)
