"""What ends by itself: holds, links, uploads left alone, references nobody used, bytes nobody refers to.

Work is found from the tables and the storage alone, a bounded amount a call; two callers at once do no harm.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from lilong.foundation.objects.models import Hold, Link, Reference, StoredObject, Upload
from lilong.foundation.objects.queries import UPLOAD_EXPIRES_S, open_storage
from lilong.foundation.objects.services.references import end_references, live_holds
from lilong.foundation.objects.services.uploads import change_use, lock_use
from lilong.foundation.objects.storage import SHARDS

BATCH = 500
ORPHAN_AGE_S = 3600
SWEEP_EVERY_S = 60

_KEY = re.compile(r"([0-9a-f]{64})\.(upl_[0-9a-f]{32})")


def reconcile(*, now: datetime) -> int:
    """End what is due and return how many things ended."""
    return (
        _end_holds(now)
        + _end_links(now)
        + _end_uploads(now)
        + _end_unused_references(now)
        + _delete_unreferenced(now)
        + _sweep_parts(now)
        + _sweep_objects(now)
        + open_storage().clear_leftovers(older_than=now.timestamp() - ORPHAN_AGE_S)
    )


def _end_holds(now: datetime) -> int:
    """Delete holds that are over; the retention of what they kept begins now."""
    over = Hold.objects.filter(Q(dropped=True) | Q(until__lte=now))
    if not over.exists():
        return 0
    with transaction.atomic():
        holds = list(over.select_for_update().order_by("id")[:BATCH])
        Reference.objects.filter(hold__in=holds).update(used_at=now)
        return Hold.objects.filter(id__in=[hold.pk for hold in holds]).delete()[0]


def _end_links(now: datetime) -> int:
    over = Link.objects.filter(expires_at__lte=now)
    if not over.exists():
        return 0
    with transaction.atomic():
        return over.delete()[0]


def _end_uploads(now: datetime) -> int:
    """Forget uploads that nobody touched for a day; what an open one had counted is free again."""
    over = Upload.objects.filter(touched_at__lte=now - timedelta(seconds=UPLOAD_EXPIRES_S))
    count = 0
    for upload in over[:BATCH]:
        with transaction.atomic():
            use = lock_use(organisation_id=upload.organisation_id)
            was_open = over.filter(id=upload.id, completed_at=None).delete()[0]
            if was_open:
                change_use(use=use, by_bytes=-upload.size_bytes)
            count += was_open + over.filter(id=upload.id).delete()[0]
    return count


def _end_unused_references(now: datetime) -> int:
    """End references that were not used, held or linked for as long as the setting says."""
    over = Reference.objects.filter(
        ~Exists(live_holds(now=now).filter(reference=OuterRef("pk"))),
        ~Exists(Link.objects.valid_at(now).filter(reference=OuterRef("pk"))),
        used_at__lte=now - timedelta(days=settings.LILONG.object_retention_days),
    )
    due = over.order_by("used_at").values_list("organisation_id", "id")[:BATCH]
    by_organisation: dict[str, list[str]] = {}
    for organisation_id, reference_id in due:
        by_organisation.setdefault(organisation_id, []).append(reference_id)
    count = 0
    for organisation_id, ids in by_organisation.items():
        with transaction.atomic():
            count += end_references(references=over.filter(id__in=ids), organisation_id=organisation_id, now=now)
    return count


def _delete_unreferenced(now: datetime) -> int:
    """Delete bytes that nobody has referred to for the grace; the row goes first, the bytes after its commit."""
    due = StoredObject.objects.filter(
        unreferenced_at__lte=now - timedelta(hours=settings.LILONG.object_grace_hours)
    ).order_by("unreferenced_at")
    count = 0
    for sha256 in due.values_list("sha256", flat=True)[:BATCH]:
        with transaction.atomic():
            stored = due.select_for_update().filter(sha256=sha256).first()
            if stored is None or Reference.objects.filter(stored=stored).exists():
                continue
            key = stored.key
            stored.delete()
        open_storage().delete(key=key)
        count += 1
    return count


def _sweep_parts(now: datetime) -> int:
    """Delete parts without an open upload: a crash or an expiry left them."""
    storage = open_storage()
    names = list(islice(storage.list_parts(older_than=now.timestamp() - ORPHAN_AGE_S), BATCH))
    orphans = set(names) - _find_open_uploads(names)
    for name in orphans:
        storage.delete_part(upload_id=name)
    return len(orphans)


def _sweep_objects(now: datetime) -> int:
    """Delete bytes that no row names, in one shard a minute.

    A placed object belongs to an open upload until its row is entered in the same transaction. So uploads are asked
    before objects: whatever commits between the two questions is found by the second.
    """
    storage = open_storage()
    shard = int(now.timestamp()) // SWEEP_EVERY_S % SHARDS
    count = 0
    for keys in _batches(storage.list_keys(shard=shard, older_than=now.timestamp() - ORPHAN_AGE_S)):
        owners = {key: match.groups() for key in keys if (match := _KEY.fullmatch(key))}
        open_uploads = _find_open_uploads([upload_id for _, upload_id in owners.values()])
        rows = StoredObject.objects.filter(sha256__in=[sha256 for sha256, _ in owners.values()])
        entered = set(rows.values_list("sha256", "upload_id"))
        for key, owner in owners.items():
            if owner not in entered and owner[1] not in open_uploads:
                storage.delete(key=key)
                count += 1
    return count


def _find_open_uploads(ids: list[str]) -> set[str]:
    return set(Upload.objects.filter(id__in=ids, completed_at=None).values_list("id", flat=True))


def _batches(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(names, BATCH)):
        yield batch
