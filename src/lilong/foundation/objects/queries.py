"""Reads of the objects room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import LilongError, NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.objects.folder import FolderStorage
from lilong.foundation.objects.locks import lock_in_database, lock_in_folder
from lilong.foundation.objects.models import Reference, StorageUse, Upload
from lilong.foundation.objects.storage import ByteStream, Storage

UPLOAD_EXPIRES_S = 24 * 3600


class ObjectMissing(NotFound):
    """The organisation has not uploaded these bytes; whether others have makes no difference."""

    code = "objects.missing"
    title = "Your organisation does not hold this object"
    next_step = "Upload the file again; what is there already is not sent twice."


class UploadMissing(NotFound):
    """There is no such upload of this organisation: unknown, abandoned or expired."""

    code = "objects.upload_missing"
    title = "There is no such upload"
    next_step = "Begin the upload again with `POST /api/v1/uploads`."


class S3NotInstalled(LilongError):
    """The settings name a bucket, and the library that speaks to it is not installed."""

    code = "objects.s3_not_installed"
    title = "This installation cannot keep objects in a bucket"
    status = 503
    next_step = "The operator installs it: `pip install 'lilong[hub,s3]'`."


@dataclass(frozen=True, slots=True)
class HeldObject:
    """An object that an organisation holds."""

    sha256: str
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UploadView:
    """An upload as it stands: the next byte to send is number `offset`; expires_at moves on with every request."""

    upload_id: str
    sha256: str
    size_bytes: int
    offset: int
    complete: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """An open object: its whole size and the chunks from the place asked for. Close `chunks`, or read them all."""

    sha256: str
    size_bytes: int
    chunks: ByteStream


@dataclass(frozen=True, slots=True)
class StorageUseView:
    """How much of its quota an organisation uses, open uploads included."""

    used_bytes: int
    quota_bytes: int


def open_storage() -> Storage:
    """Return the storage that the settings name; raises S3NotInstalled."""
    hub = settings.LILONG
    if not hub.objects_url:
        return FolderStorage(folder=hub.home / "objects", reserve_bytes=hub.storage_reserve_bytes)
    if find_spec("boto3") is None:
        raise S3NotInstalled
    from lilong.foundation.objects.s3 import S3Storage  # noqa: PLC0415 - only hubs with a bucket have boto3
    from lilong.foundation.objects.s3_bucket import Bucket  # noqa: PLC0415 - see above
    from lilong.foundation.objects.s3_client import open_client  # noqa: PLC0415 - see above

    parts = urlsplit(hub.objects_url)
    folder = parts.path.strip("/")
    client = open_client(
        endpoint_url=hub.objects_endpoint_url, region=hub.objects_region, timeout_s=hub.objects_timeout_s
    )
    in_folder = partial(lock_in_folder, hub.home / "uploads")
    return S3Storage(
        bucket=Bucket(client=client, name=parts.netloc),
        prefix=f"{folder}/" if folder else "",
        lock=lock_in_database if connection.vendor == "postgresql" else in_folder,
    )


def find_many(*, organisation_id: str, sha256s: Sequence[str]) -> dict[str, HeldObject]:
    """Return those of `sha256s` that this organisation holds. Knowing a digest gives nothing of others. One query."""
    found = Reference.objects.filter(organisation_id=organisation_id, stored_id__in=set(sha256s))
    return {reference.stored_id: _view_reference(reference) for reference in found.select_related("stored")}


def list_objects(*, actor: Actor, cursor: str | None, limit: int) -> Page[HeldObject]:
    """Return a page of the objects of the actor's organisation, newest first."""
    found = Reference.objects.visible_to(actor).select_related("stored")
    page = page_newest_first(found, cursor=cursor, limit=limit)
    return Page(items=[_view_reference(reference) for reference in page.items], next_cursor=page.next_cursor)


def get_storage_use(*, organisation_id: str) -> StorageUseView:
    """Return what the organisation uses and may use."""
    use = StorageUse.objects.filter(organisation_id=organisation_id).first()
    return StorageUseView(used_bytes=use.used_bytes if use else 0, quota_bytes=settings.LILONG.object_quota_bytes)


def get_upload(*, actor: Actor, upload_id: str) -> UploadView:
    """Return an upload of the actor's organisation; raises UploadMissing."""
    upload = Upload.objects.visible_to(actor).filter(id=upload_id).first()
    if upload is None:
        raise UploadMissing
    return view_upload(upload=upload)


def open_object(*, organisation_id: str, sha256: str, offset: int = 0, end: int | None = None) -> ObjectReader:
    """Open an object of this organisation from `offset` up to `end`; raises ObjectMissing."""
    found = Reference.objects.filter(organisation_id=organisation_id, stored_id=sha256)
    reference = found.select_related("stored").first()
    if reference is None:
        raise ObjectMissing(detail=say("{sha256} is not there.", sha256=sha256))
    return open_reference(reference=reference, offset=offset, end=end)


def open_reference(*, reference: Reference, offset: int = 0, end: int | None = None) -> ObjectReader:
    """Open what a reference points to; both bounds are cut to the object's size."""
    stored = reference.stored
    stop = stored.size_bytes if end is None else min(end, stored.size_bytes)
    chunks = open_storage().read(key=stored.key, start=min(offset, stop), end=stop)
    return ObjectReader(sha256=stored.sha256, size_bytes=stored.size_bytes, chunks=chunks)


def view_upload(*, upload: Upload) -> UploadView:
    """Return the row as others see it."""
    return UploadView(
        upload_id=upload.id,
        sha256=upload.sha256,
        size_bytes=upload.size_bytes,
        offset=upload.stored_bytes,
        complete=upload.completed_at is not None,
        expires_at=upload.touched_at + timedelta(seconds=UPLOAD_EXPIRES_S),
    )


def _view_reference(reference: Reference) -> HeldObject:
    return HeldObject(
        sha256=reference.stored_id, size_bytes=reference.stored.size_bytes, created_at=reference.created_at
    )


def sum_used_bytes() -> int:
    """Return what counts against all organisations' quotas. One query. Cost: linear in organisations."""
    return StorageUse.objects.aggregate(used=Sum("used_bytes"))["used"] or 0
