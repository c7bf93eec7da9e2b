"""All bytes that the tables name, out of the storage and into it: for backups. Knows nothing of organisations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from lilong.common.errors import InputInvalid
from lilong.common.ids import new_id
from lilong.foundation.objects.models import Reference, StoredObject
from lilong.foundation.objects.queries import open_storage
from lilong.foundation.objects.storage import SHARDS, ByteStream

ALL_TIMES = 1e11  # a Unix time behind all that a storage can know


class BytesDiffer(InputInvalid):
    """Bytes are not those that their name says."""

    code = "objects.bytes_differ"
    title = "These bytes are not the object that they are named after"
    next_step = "Take them from another copy."


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """An object that the tables name. is_wanted: some organisation refers to it."""

    key: str
    size_bytes: int
    is_wanted: bool


def list_stored(*, using: str) -> Iterator[StoredCopy]:
    """Yield every object that the tables of the database `using` name, in the order of digests.

    Reads no more columns than it needs: the tables may be those of an earlier version.
    """
    wanted = Exists(Reference.objects.using(using).filter(stored=OuterRef("pk")))
    rows = StoredObject.objects.using(using).annotate(is_wanted=wanted).order_by("sha256")
    rows = rows.only("sha256", "upload_id", "size_bytes")
    for row in rows.iterator(chunk_size=1000):
        yield StoredCopy(key=row.key, size_bytes=row.size_bytes, is_wanted=row.is_wanted)


def read_stored(*, stored: StoredCopy) -> ByteStream:
    """Open the bytes of an object; raises BytesMissing."""
    return open_storage().read(key=stored.key, start=0, end=stored.size_bytes)


def place_stored(*, key: str, chunks: Iterable[bytes]) -> bool:
    """Put bytes into the storage under their key; return False when they are there. Raises BytesDiffer."""
    storage = open_storage()
    if storage.has(key=key):
        return False
    upload_id = new_id("upl")
    try:
        with storage.open_part(upload_id=upload_id) as part:
            part.cut(size_bytes=0)
            for chunk in chunks:
                part.write(chunk)
            part.sync()
            if part.digest() != key.partition(".")[0]:
                raise BytesDiffer(detail=key)
            part.place(key=key)
    finally:
        storage.delete_part(upload_id=upload_id)
    return True


def count_missing() -> int:
    """Return how many objects that organisations refer to are not in the storage. Lists the whole storage."""
    storage = open_storage()
    count = 0
    for shard in range(SHARDS):
        there = set(storage.list_keys(shard=shard, older_than=ALL_TIMES))
        rows = StoredObject.objects.filter(sha256__startswith=f"{shard:02x}", reference__isnull=False).distinct()
        count += sum(row.key not in there for row in rows.iterator(chunk_size=1000))
    return count


def probe_storage() -> None:
    """Write, read and delete a few bytes in the storage; raises what is wrong."""
    open_storage().probe()
