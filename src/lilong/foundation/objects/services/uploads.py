"""Bring bytes in: resumable, verified by digest, counted against the organisation's quota before the first byte.

Bytes are never awaited inside a transaction. Whatever is killed where: the table says how many bytes are safe, what
lies behind them in the part is cut off, and a part whose object was placed but not yet entered is found by its name.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from lilong.common.errors import Conflict, InputInvalid, LimitReached
from lilong.common.ids import new_id
from lilong.common.sentences import say
from lilong.foundation.objects.models import Reference, StorageUse, StoredObject, Upload
from lilong.foundation.objects.queries import UploadMissing, UploadView, open_storage, view_upload
from lilong.foundation.objects.storage import Part, Storage, StorageFull

OPEN_UPLOADS_MAX = 1000


class QuotaReached(LimitReached):
    """With this object the organisation would store more than it may; `facts` holds limit, used and asked, in bytes."""

    code = "objects.quota_reached"
    title = "Your organisation's storage is used up"
    next_step = "Delete objects that you no longer need, or ask the operator for a larger quota."


class TooManyUploads(LimitReached):
    """The organisation has too many uploads that were begun and not finished."""

    code = "objects.too_many_uploads"
    title = "Too many uploads are open"
    next_step = "Finish or delete open uploads; one that is left alone expires after a day."


class ObjectTooLarge(LimitReached):
    """The hub's object storage takes no object of this size; `facts` holds limit and asked, in bytes."""

    code = "objects.too_large"
    title = "The object is too large for this hub"
    next_step = "Split the file into smaller ones."


class UploadSizeDiffers(Conflict):
    """An upload of the same digest is open with another size; one of the two is wrong."""

    code = "objects.upload_size_differs"
    title = "This digest is being uploaded with another size"
    next_step = "Check the size; delete the open upload if it is the wrong one."


class OffsetWrong(Conflict):
    """The bytes do not follow on what is safely stored; `facts` holds the offset to go on from."""

    code = "objects.offset_wrong"
    title = "The upload goes on at another offset"
    next_step = "Send the bytes from the offset named here."
    retryable = True


class UploadTooLong(InputInvalid):
    """More bytes came than were announced; those behind the announced size are dropped."""

    code = "objects.upload_too_long"
    title = "More bytes came than were announced"
    next_step = "Begin the upload again with the right size."


class DigestMismatch(InputInvalid):
    """All bytes came, and they are not the announced ones. The upload is gone."""

    code = "objects.digest_mismatch"
    title = "The bytes are not the announced ones"
    next_step = "Begin the upload again; the file may have changed while it was sent."


def begin_upload(*, organisation_id: str, sha256: str, size_bytes: int, now: datetime) -> UploadView:
    """Return the organisation's upload of this digest: the open one, one that is complete already, or a new one.

    A new one counts against the quota at once. Raises QuotaReached, TooManyUploads, UploadSizeDiffers, ObjectTooLarge.
    """
    storage = open_storage()
    if size_bytes > storage.size_bytes_max:
        raise ObjectTooLarge(facts={"limit": storage.size_bytes_max, "asked": size_bytes})
    lost = _find_lost_key(sha256, storage=storage)
    with transaction.atomic():
        use = lock_use(organisation_id=organisation_id)
        uploads = Upload.objects.filter(organisation_id=organisation_id, sha256=sha256)
        stored = StoredObject.objects.filter(sha256=sha256, reference__organisation_id=organisation_id).first()
        if stored is not None and stored.key != lost:
            Reference.objects.filter(organisation_id=organisation_id, stored=stored).update(used_at=now)
            done = uploads.exclude(completed_at=None).first() or Upload(id=new_id("upl"))
            done.organisation_id, done.sha256 = organisation_id, sha256
            done.size_bytes = done.stored_bytes = stored.size_bytes
            done.completed_at = done.touched_at = now
            done.save()
            return view_upload(upload=done)
        upload = uploads.filter(completed_at=None).first()
        if upload is None:
            upload = _open_upload(use, sha256=sha256, size_bytes=size_bytes, now=now)
        if upload.size_bytes != size_bytes:
            raise UploadSizeDiffers(facts={"size_bytes": upload.size_bytes, "upload_id": upload.id})
        return view_upload(upload=upload)


def append_upload(*, upload_id: str, offset: int, chunks: Iterable[bytes], now: datetime) -> int:
    """Add bytes to an upload and return how many are safely stored; with the last one the object is there.

    `offset` must be what is stored already. When `chunks` fails half-way, what came before is kept; when the storage
    is full, nothing of this call is. Call again with the returned offset and no chunks after a lost answer.
    Raises UploadMissing, UploadBusy, OffsetWrong, UploadTooLong, StorageFull, DigestMismatch.
    """
    storage = open_storage()
    _get_upload(upload_id)  # an unknown one leaves no empty part behind
    with storage.open_part(upload_id=upload_id) as part:
        upload = _get_upload(upload_id)
        if upload.completed_at is not None:
            storage.delete_part(upload_id=upload_id)
            return upload.size_bytes
        if upload.stored_bytes != offset:
            raise OffsetWrong(facts={"offset": upload.stored_bytes})
        if storage.has(key=upload.key):
            return _finish_upload(upload, now=now)
        if not part.cut(size_bytes=offset):
            _drop_upload(upload)
            raise UploadMissing(detail=say("The hub lost what was stored of it."))
        _write(part, chunks, upload=upload, now=now)
        if part.end < upload.size_bytes:
            _keep(part, upload, now=now)
            return part.end
        part.sync()
        if part.digest() != upload.sha256:
            _drop_upload(upload)
            raise DigestMismatch(facts={"size_bytes": upload.size_bytes})
        if not part.place(key=upload.key):
            raise UploadMissing
        return _finish_upload(upload, now=now)


def abandon_upload(*, organisation_id: str, upload_id: str) -> None:
    """Forget an open upload and its bytes; raises UploadMissing. A complete one is only forgotten."""
    upload = _get_upload(upload_id)
    if upload.organisation_id != organisation_id:
        raise UploadMissing
    _drop_upload(upload)


def lock_use(*, organisation_id: str) -> StorageUse:
    """Return the organisation's use, locked: its references and uploads change one transaction after the other."""
    StorageUse.objects.get_or_create(organisation_id=organisation_id)
    return StorageUse.objects.select_for_update().get(organisation_id=organisation_id)


def change_use(*, use: StorageUse, by_bytes: int) -> None:
    """Add to what a locked organisation uses."""
    use.used_bytes += by_bytes
    use.save(update_fields=["used_bytes"])


def _open_upload(use: StorageUse, *, sha256: str, size_bytes: int, now: datetime) -> Upload:
    quota_bytes = settings.LILONG.object_quota_bytes
    if use.used_bytes + size_bytes > quota_bytes:
        raise QuotaReached(facts={"limit": quota_bytes, "used": use.used_bytes, "asked": size_bytes})
    open_uploads = Upload.objects.filter(organisation_id=use.organisation_id, completed_at=None).count()
    if open_uploads >= OPEN_UPLOADS_MAX:
        raise TooManyUploads(facts={"limit": OPEN_UPLOADS_MAX, "used": open_uploads})
    change_use(use=use, by_bytes=size_bytes)
    return Upload.objects.create(
        id=new_id("upl"), organisation_id=use.organisation_id, sha256=sha256, size_bytes=size_bytes, touched_at=now
    )


def _get_upload(upload_id: str) -> Upload:
    upload = Upload.objects.filter(id=upload_id).first()
    if upload is None:
        raise UploadMissing
    return upload


def _write(part: Part, chunks: Iterable[bytes], *, upload: Upload, now: datetime) -> None:
    try:
        for chunk in chunks:
            _refuse_excess(part.end + len(chunk), size_bytes=upload.size_bytes)
            part.write(chunk)
    except StorageFull:
        raise
    except BaseException:
        _keep(part, upload, now=now)
        raise


def _refuse_excess(end: int, *, size_bytes: int) -> None:
    if end > size_bytes:
        raise UploadTooLong(facts={"size_bytes": size_bytes})


def _keep(part: Part, upload: Upload, *, now: datetime) -> None:
    """Promise what was written; an upload that was abandoned meanwhile stays abandoned."""
    part.sync()
    with transaction.atomic():
        kept = Upload.objects.filter(id=upload.id, completed_at=None).update(stored_bytes=part.end, touched_at=now)
    if not kept:
        raise UploadMissing
    part.hash_ahead()


def _drop_upload(upload: Upload) -> None:
    with transaction.atomic():
        use = lock_use(organisation_id=upload.organisation_id)
        open_one = Upload.objects.filter(id=upload.id, completed_at=None).delete()[0]
        if open_one:
            change_use(use=use, by_bytes=-upload.size_bytes)
        Upload.objects.filter(id=upload.id).delete()
    open_storage().delete_part(upload_id=upload.id)


def _finish_upload(upload: Upload, *, now: datetime) -> int:
    """Enter the placed object. Bytes that are there already, from whomever, are stored once; ours then go."""
    storage = open_storage()
    lost = _find_lost_key(upload.sha256, storage=storage)
    with transaction.atomic():
        use = lock_use(organisation_id=upload.organisation_id)
        if _get_upload(upload.id).completed_at is not None:
            return upload.size_bytes
        Upload.objects.filter(id=upload.id).update(stored_bytes=upload.size_bytes, completed_at=now, touched_at=now)
        stored = _get_or_enter_object(upload, now=now)
        if stored.key == lost:
            stored.upload_id = upload.id
        stored.unreferenced_at = None
        stored.save(update_fields=["upload_id", "unreferenced_at"])
        _, is_new = Reference.objects.get_or_create(
            organisation_id=upload.organisation_id,
            stored=stored,
            defaults={"id": new_id("ref"), "created_at": now, "used_at": now},
        )
        if not is_new:
            change_use(use=use, by_bytes=-upload.size_bytes)
    if stored.upload_id != upload.id:
        storage.delete(key=upload.key)
    storage.delete_part(upload_id=upload.id)
    return upload.size_bytes


def _find_lost_key(sha256: str, *, storage: Storage) -> str | None:
    """Return the key under which these bytes are entered and missing. Asked before a transaction, which awaits nothing.

    What is entered after this was placed before that; what goes is deleted only once its row is gone.
    """
    stored = StoredObject.objects.filter(sha256=sha256).first()
    return stored.key if stored is not None and not storage.has(key=stored.key) else None


def _get_or_enter_object(upload: Upload, *, now: datetime) -> StoredObject:
    objects = StoredObject.objects.select_for_update()
    stored = objects.filter(sha256=upload.sha256).first()
    if stored is not None:
        return stored
    try:
        with transaction.atomic():
            return StoredObject.objects.create(
                sha256=upload.sha256, size_bytes=upload.size_bytes, upload_id=upload.id, created_at=now
            )
    except IntegrityError:
        return objects.get(sha256=upload.sha256)
