"""What every place for bytes keeps to: one suite over a folder and over a bucket."""

import hashlib
import os
import subprocess
import sys
import time

import pytest

from lilong.foundation.objects.folder import FolderStorage
from lilong.foundation.objects.storage import SHARDS, BytesMissing, Storage, UploadBusy
from tests.s3 import CREDENTIALS, open_s3, running_store

SOON = 4_000_000_000.0
MIB = 1 << 20


@pytest.fixture(scope="module")
def store():
    with running_store() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(params=["folder", "bucket"])
def storage(request, tmp_path):
    if request.param == "folder":
        opened: Storage = FolderStorage(folder=tmp_path, reserve_bytes=0)
    else:
        opened = open_s3(request.getfixturevalue("store").url, folder=tmp_path, prefix=f"{tmp_path.name}/")
    yield opened
    opened.delete_part(upload_id="upl_1")  # this process forgets what it hashed of it


def add(storage, *chunks, upload_id="upl_1", after=0):
    """Add to a part what is promised from then on, and return its end."""
    with storage.open_part(upload_id=upload_id) as part:
        assert part.cut(size_bytes=after)
        for chunk in chunks:
            part.write(chunk)
        part.sync()
        part.hash_ahead()
        return part.end


def finish(storage, key, *, at, upload_id="upl_1"):
    """Place a part as an object and return its digest."""
    with storage.open_part(upload_id=upload_id) as part:
        assert part.cut(size_bytes=at)
        digest = part.digest()
        assert part.place(key=key)
        return digest


def read(storage, key, start, end):
    return b"".join(storage.read(key=key, start=start, end=end))


@pytest.mark.parametrize(
    "sizes",
    [[], [1], [1, 2, 3], [MIB] * 12, [17 * MIB], [33 * MIB, 1], [6 * MIB, 16 * MIB, 40, 16 * MIB, 5 * MIB]],
    ids=str,
)
def test_bytes_come_out_as_they_went_in_however_they_were_cut(storage, sizes):
    pieces = [os.urandom(size) for size in sizes]
    content, end = b"".join(pieces), 0
    for piece in pieces:
        end = add(storage, piece, after=end)
    digest = finish(storage, "ab" * 32, at=end)

    assert digest == hashlib.sha256(content).hexdigest()
    assert read(storage, "ab" * 32, 0, end) == content
    assert read(storage, "ab" * 32, end // 3, end // 2) == content[end // 3 : end // 2]


def test_what_was_written_and_not_promised_is_gone_when_the_part_is_cut(storage):
    end = add(storage, b"promised")
    with storage.open_part(upload_id="upl_1") as part:
        assert part.cut(size_bytes=end)
        part.write(b" and left")
        part.sync()
    add(storage, b" and more", after=end)

    assert finish(storage, "k" * 64, at=17) == hashlib.sha256(b"promised and more").hexdigest()
    assert read(storage, "k" * 64, 0, 17) == b"promised and more"


def test_a_part_cannot_be_cut_where_it_never_got_to(storage):
    add(storage, b"123")

    with storage.open_part(upload_id="upl_1") as part:
        assert part.cut(size_bytes=4) is False


def test_another_process_knows_the_digest_of_what_this_one_brought_in(storage, store, tmp_path):
    content = os.urandom(17 * MIB)
    end = add(storage, content)
    script = f"""
from pathlib import Path
from tests.s3 import open_s3
from lilong.foundation.objects.folder import FolderStorage
folder = Path({str(tmp_path)!r})
bucket = {type(storage).__name__ == "S3Storage"!r}
storage = (open_s3({store.url!r}, folder=folder, prefix=folder.name + "/") if bucket
    else FolderStorage(folder=folder, reserve_bytes=0))
with storage.open_part(upload_id="upl_1") as part:
    assert part.cut(size_bytes={end})
    print(part.digest())
"""
    answer = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{script}"], capture_output=True, text=True, check=False
    )
    assert (answer.stdout.strip(), answer.stderr) == (hashlib.sha256(content).hexdigest(), "")


def test_a_part_has_one_writer(storage):
    with storage.open_part(upload_id="upl_1"):
        with pytest.raises(UploadBusy), storage.open_part(upload_id="upl_1"):
            pass
        with storage.open_part(upload_id="upl_2") as other:
            assert other.end == 0
    with storage.open_part(upload_id="upl_1") as part:
        assert part.end == 0


def test_a_part_that_was_deleted_meanwhile_is_not_placed(storage):
    add(storage, b"x" * 10)

    with storage.open_part(upload_id="upl_1") as part:
        assert part.cut(size_bytes=10)
        storage.delete_part(upload_id="upl_1")
        assert part.place(key="a" * 64) is False
    assert not storage.has(key="a" * 64)


def test_what_is_not_there_is_missing_and_may_be_deleted_again(storage):
    end = add(storage, b"abc")
    finish(storage, "c" * 64, at=end)
    with pytest.raises(BytesMissing):
        storage.read(key="c" * 64, start=0, end=4)
    for _ in range(2):
        storage.delete(key="c" * 64)
        storage.delete_part(upload_id="upl_1")

    assert not storage.has(key="c" * 64)
    with pytest.raises(BytesMissing):
        storage.read(key="c" * 64, start=0, end=3)


def test_old_parts_and_objects_are_listed_for_sweeping_and_young_ones_are_not(storage):
    add(storage, b"open", upload_id="upl_open")
    for number in range(3):
        upload_id, key = f"upl_{number}", f"{number:02x}" * 32
        finish(storage, key, at=add(storage, b"x", upload_id=upload_id), upload_id=upload_id)
        storage.delete_part(upload_id=upload_id)
    long_ago = time.time() - 3600

    assert list(storage.list_parts(older_than=SOON)) == ["upl_open"]
    assert list(storage.list_parts(older_than=long_ago)) == []
    keys = [key for shard in range(SHARDS) for key in storage.list_keys(shard=shard, older_than=SOON)]
    assert keys == [f"{number:02x}" * 32 for number in range(3)]
    assert list(storage.list_keys(shard=1, older_than=long_ago)) == []


def test_a_probe_leaves_nothing(storage):
    storage.probe()

    assert list(storage.list_parts(older_than=SOON)) == []
