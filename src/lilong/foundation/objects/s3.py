"""Bytes in a bucket of an S3-compatible store: objects under `objects/KEY`, the segments of parts under `uploads/ID/`.

Nothing lies on this machine, so any process on any machine goes on with any upload. A name in the bucket is there whole
or not at all: the store sees to that for every kind of write that is used here.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from lilong.common.ids import new_id
from lilong.common.sentences import say
from lilong.foundation.objects.s3_bucket import Bucket, BucketStream
from lilong.foundation.objects.s3_parts import PIECES_MAX, SEGMENT_BYTES, S3Part
from lilong.foundation.objects.storage import BytesMissing

ABANDONED_S = 24 * 3600


class S3Storage:
    """Objects and parts in a bucket under `prefix`, which is empty or ends with a slash.

    lock: keeps an upload to one writer, whatever process or machine the others are of.
    """

    size_bytes_max = SEGMENT_BYTES * PIECES_MAX

    def __init__(self, *, bucket: Bucket, prefix: str, lock: Callable[[str], AbstractContextManager[None]]) -> None:
        self._bucket = bucket
        self._objects, self._parts = f"{prefix}objects/", f"{prefix}uploads/"
        self._lock = lock

    @contextmanager
    def open_part(self, *, upload_id: str) -> Iterator[S3Part]:
        """List the part's segments, alone."""
        with self._lock(upload_id):
            yield S3Part(bucket=self._bucket, folder=f"{self._parts}{upload_id}/", objects=self._objects)

    def read(self, *, key: str, start: int, end: int) -> BucketStream:
        """Open a slice of the object."""
        size_bytes = self._bucket.find_size(name=f"{self._objects}{key}")
        if size_bytes is None:
            raise BytesMissing(detail=say("{key} is not in the storage.", key=key))
        if size_bytes < end:
            raise BytesMissing(detail=say("{key} is shorter than it was.", key=key))
        return self._bucket.read(name=f"{self._objects}{key}", start=start, end=end)

    def has(self, *, key: str) -> bool:
        """Return whether the object is there: it got its name when it was whole."""
        return self._bucket.find_size(name=f"{self._objects}{key}") is not None

    def delete(self, *, key: str) -> None:
        """Delete the object."""
        self._bucket.delete(names=[f"{self._objects}{key}"])

    def delete_part(self, *, upload_id: str) -> None:
        """Delete all segments of the part."""
        found = self._bucket.list_names(beginning=f"{self._parts}{upload_id}/")
        self._bucket.delete(names=[name for name, _ in found])

    def list_parts(self, *, older_than: float) -> Iterator[str]:
        """Yield the uploads whose youngest segment is older; linear in all segments there are."""
        written_at: dict[str, datetime] = {}
        for name, modified_at in self._bucket.list_names(beginning=self._parts):
            upload_id = name.removeprefix(self._parts).partition("/")[0]
            written_at[upload_id] = max(modified_at, written_at.get(upload_id, modified_at))
        moment = datetime.fromtimestamp(older_than, UTC)
        yield from (upload_id for upload_id, last_at in written_at.items() if last_at < moment)

    def clear_leftovers(self, *, older_than: float) -> int:
        """Give up objects that were begun a day before that and never ended: their pieces are hidden and cost money."""
        moment = datetime.fromtimestamp(older_than - ABANDONED_S, UTC)
        over = [
            (name, join)
            for name, join, begun_at in self._bucket.list_joins(beginning=self._objects)
            if begun_at < moment
        ]
        for name, join in over:
            self._bucket.drop_join(name=name, join=join)
        return len(over)

    def probe(self) -> None:
        """Write, read and delete a few bytes among the parts, which are swept when a crash leaves some."""
        name, content = f"{self._parts}{new_id('upl')}/probe", os.urandom(16)
        self._bucket.put(name=name, content=content)
        try:
            if self._bucket.read_all(name=name, size_bytes=len(content)) != content:
                raise BytesMissing(detail=say("{name} is not what was written.", name=name))
        finally:
            self._bucket.delete(names=[name])

    def list_keys(self, *, shard: int, older_than: float) -> Iterator[str]:
        """Yield the keys that begin with the shard's two digits."""
        moment = datetime.fromtimestamp(older_than, UTC)
        for name, modified_at in self._bucket.list_names(beginning=f"{self._objects}{shard:02x}"):
            if modified_at < moment:
                yield name.removeprefix(self._objects)
