"""Where bytes lie: a small port; `folder.py` and `s3.py` are behind it. Knows nothing of organisations or tables.

A *part* grows by appending until its upload completes; an *object* is whole, durable and never changes. Placing a part
makes it an object in one step.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from lilong.common.errors import Conflict, InvariantBroken, LilongError

READ_BYTES = 256 * 1024
HASH_AHEAD_BYTES = 64 << 20
SHARDS = 256
BUSY_RETRY_S = 8


class UploadBusy(Conflict):
    """Another request is writing to the same upload: perhaps one whose connection was lost and that waits for bytes."""

    code = "objects.upload_busy"
    title = "Another request is writing to this upload"
    next_step = "Ask for the upload's offset and go on from there."
    retryable = True


class StorageFull(LilongError):
    """The hub's storage has no room, or too little to stay safe. Nothing of this request was kept."""

    code = "objects.storage_full"
    title = "The hub's storage is full"
    status = 503
    next_step = "Wait and go on from the upload's offset; the operator has to make room."
    retryable = True


class StorageUnreachable(LilongError):
    """The place where the hub keeps bytes does not answer, answers too late or fails. What was promised is there."""

    code = "objects.storage_unreachable"
    title = "The hub's object storage does not answer"
    status = 503
    next_step = "Wait and go on from the upload's offset; the operator looks at the object storage (`lilong doctor`)."
    retryable = True


class StorageRefused(LilongError):
    """The place where the hub keeps bytes refuses the hub: wrong or missing credentials, or rights that lack."""

    code = "objects.storage_refused"
    title = "The hub's object storage refuses the hub"
    status = 503
    next_step = "The operator corrects the hub's credentials for the object storage, or their rights on the bucket."


class BucketMissing(LilongError):
    """The bucket that the settings name is not there."""

    code = "objects.bucket_missing"
    title = "The bucket of the hub's objects does not exist"
    status = 503
    next_step = "The operator makes the bucket, or corrects `objects_url` in the hub's settings."


class BytesMissing(InvariantBroken):
    """The tables name bytes that the storage does not have."""

    code = "objects.bytes_missing"
    title = "The hub has lost these bytes"
    next_step = "Upload the object again, and tell the operator."


class Part(Protocol):
    """A part that only the caller writes to."""

    end: int

    def cut(self, *, size_bytes: int) -> bool:
        """Drop everything behind `size_bytes` and go on from there; return False when there is less than that."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append; when it raises, `end` is where to go on: what is behind it was taken back.

        Raises StorageFull, StorageUnreachable, StorageRefused, BucketMissing.
        """
        ...

    def sync(self) -> None:
        """Return when everything up to `end` survives a loss of power."""
        ...

    def hash_ahead(self) -> None:
        """Do a bounded piece of the work of `digest`; only once `end` is promised, so that these bytes stay."""
        ...

    def digest(self) -> str:
        """Return the SHA-256 of everything up to `end`."""
        ...

    def place(self, *, key: str) -> bool:
        """Make it the object `key`; return False when the part was deleted meanwhile."""
        ...


class ByteStream(Protocol):
    """An iterator of chunks that must be closed, or read to the end."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None:
        """Let go of the bytes; harmless when done before."""
        ...


class Storage(Protocol):
    """What a place for bytes must be able to do. All may raise StorageUnreachable, StorageRefused, BucketMissing."""

    size_bytes_max: int
    """Largest object that it takes."""

    def open_part(self, *, upload_id: str) -> AbstractContextManager[Part]:
        """Open a part for writing, alone; raises UploadBusy."""
        ...

    def read(self, *, key: str, start: int, end: int) -> ByteStream:
        """Open the bytes `[start, end)` of an object; raises BytesMissing."""
        ...

    def has(self, *, key: str) -> bool:
        """Return whether the object is there, whole."""
        ...

    def delete(self, *, key: str) -> None:
        """Delete an object; nothing happens when there is none."""
        ...

    def delete_part(self, *, upload_id: str) -> None:
        """Delete a part; nothing happens when there is none."""
        ...

    def list_parts(self, *, older_than: float) -> Iterator[str]:
        """Yield the upload ids of parts not written to since that Unix time."""
        ...

    def clear_leftovers(self, *, older_than: float) -> int:
        """Delete what a crash before that Unix time left that is neither part nor object; return how much it was."""
        ...

    def probe(self) -> None:
        """Write, read and delete a few bytes under a name of their own; raises what is wrong."""
        ...

    def list_keys(self, *, shard: int, older_than: float) -> Iterator[str]:
        """Yield the keys of objects placed before that Unix time, of one shard of `SHARDS`."""
        ...
