"""A store that fails, answers late or not at all, refuses, or has no such bucket."""

import hashlib
import os
from urllib.parse import urlsplit

import pytest

from lilong.foundation.objects.s3_client import open_client
from lilong.foundation.objects.storage import BucketMissing, StorageRefused, StorageUnreachable
from tests.s3 import CREDENTIALS, connect, open_s3, running_store, troubled_way

MIB = 1 << 20
CONTENT = os.urandom(40 * MIB)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module", autouse=True)
def credentials():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def store():
    with running_store() as running:
        yield running


@pytest.fixture
def way(store):
    with troubled_way(store) as opened:
        yield opened


@pytest.fixture
def storage(way, tmp_path):
    return open_s3(way.url, folder=tmp_path, prefix=f"{tmp_path.name}/", timeout_s=1)


def bring_in(storage, content, *, tries=20):
    """Bring content in as an upload does: go on from what is promised until all is, then place it."""
    promised = 0
    for _ in range(tries):
        with storage.open_part(upload_id="upl_1") as part:
            assert part.cut(size_bytes=promised)
            try:
                for start in range(promised, len(content), MIB):
                    part.write(content[start : start + MIB])
                part.sync()
                promised = part.end
            except StorageUnreachable:
                promised = part.end
                continue
            assert part.digest() == hashlib.sha256(content).hexdigest()
            assert part.place(key="a" * 64)
            return
    raise AssertionError(f"{promised} of {len(content)} bytes after {tries} tries")


@pytest.mark.parametrize("befalls", ["503", "500", "lost", "cut"])
def test_a_store_that_fails_every_third_request_still_takes_and_gives_all_bytes(way, storage, befalls):
    way.trouble = lambda asked: befalls if asked.number % 3 == 1 else ""
    bring_in(storage, CONTENT)
    read = b"".join(storage.read(key="a" * 64, start=0, end=len(CONTENT)))

    assert hashlib.sha256(read).hexdigest() == DIGEST
    assert len(way.asked) > 10


@pytest.mark.parametrize("befalls", ["503", "hang"])
def test_bytes_that_were_stored_before_the_store_went_are_kept(way, storage, befalls):
    way.trouble = lambda asked: befalls if asked.method == "PUT" and f"/{16 * MIB:016x}-" in asked.path else ""
    with storage.open_part(upload_id="upl_1") as part:
        assert part.cut(size_bytes=0)
        with pytest.raises(StorageUnreachable):
            part.write(CONTENT)
        assert part.end == 16 * MIB
        part.sync()
        part.hash_ahead()
    way.trouble = lambda _: ""
    with storage.open_part(upload_id="upl_1") as part:
        assert part.cut(size_bytes=16 * MIB)
        part.write(CONTENT[16 * MIB :])
        part.sync()
        assert part.digest() == DIGEST
    storage.delete_part(upload_id="upl_1")


def test_an_object_whose_joining_fails_has_no_name_and_leaves_no_pieces(way, store, storage, tmp_path):
    with storage.open_part(upload_id="upl_1") as part:
        assert part.cut(size_bytes=0)
        part.write(CONTENT)
        part.sync()
        way.trouble = lambda asked: "503" if "partNumber=2" in asked.path else ""
        with pytest.raises(StorageUnreachable):
            part.place(key="a" * 64)
        assert not storage.has(key="a" * 64)
        assert store.list_joins(prefix=f"{tmp_path.name}/") == []
        way.trouble = lambda _: ""
        assert part.place(key="a" * 64)
    assert storage.has(key="a" * 64)


def test_pieces_that_a_crash_left_are_cleared_a_day_later(store, tmp_path):
    prefix = f"{tmp_path.name}/"
    storage = open_s3(store.url, folder=tmp_path, prefix=prefix)
    connect(store.url).create_multipart_upload(Bucket="hub-objects", Key=f"{prefix}objects/{'a' * 64}")
    tomorrow = 4_000_000_000.0

    assert storage.clear_leftovers(older_than=0.0) == 0
    assert len(store.list_joins(prefix=prefix)) == 1
    assert storage.clear_leftovers(older_than=tomorrow) == 1
    assert store.list_joins(prefix=f"{tmp_path.name}/") == []


def test_a_store_that_is_killed_is_unreachable_and_says_what_to_do(tmp_path):
    with running_store() as doomed:
        storage = open_s3(doomed.url, folder=tmp_path, timeout_s=1)
        storage.probe()
        with storage.open_part(upload_id="upl_1") as part:
            assert part.cut(size_bytes=0)
            part.write(CONTENT[: 16 * MIB])
            doomed.process.kill()
            doomed.process.wait()
            with pytest.raises(StorageUnreachable) as caught:
                part.write(CONTENT[16 * MIB :])
            assert part.end == 16 * MIB
        with pytest.raises(StorageUnreachable):
            storage.has(key="a" * 64)
    assert caught.value.retryable
    assert "doctor" in caught.value.next_step


def test_a_bucket_that_is_not_there_is_named_as_what_is_wrong(store, tmp_path):
    storage = open_s3(store.url, folder=tmp_path, bucket="nobodys-bucket")

    with pytest.raises(BucketMissing):
        storage.probe()
    with pytest.raises(BucketMissing), storage.open_part(upload_id="upl_1"):
        pass


def test_a_store_that_refuses_the_hub_is_named_as_what_is_wrong(store, way, tmp_path):
    way.trouble = lambda _: "403"
    storage = open_s3(way.url, folder=tmp_path)

    with pytest.raises(StorageRefused):
        storage.probe()
    with pytest.raises(StorageRefused):
        storage.has(key="a" * 64)


def test_a_hub_without_credentials_is_told_so(store, tmp_path, monkeypatch):
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    open_client.cache_clear()
    storage = open_s3(store.url, folder=tmp_path)
    try:
        with pytest.raises(StorageRefused) as caught:
            storage.probe()
    finally:
        open_client.cache_clear()
    assert "credentials" in caught.value.detail.lower()


def test_a_listing_that_is_longer_than_a_page_is_complete(way, store, storage, tmp_path):
    client = connect(store.url)
    for number in range(1001):
        client.put_object(Bucket="hub-objects", Key=f"{tmp_path.name}/uploads/upl_{number:04}/x", Body=b"")

    assert len(list(storage.list_parts(older_than=4_000_000_000.0))) == 1001
    assert all(urlsplit(asked.path).path == "/hub-objects" for asked in way.asked)
