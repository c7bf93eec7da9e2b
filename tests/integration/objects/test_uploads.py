import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lilong.common.permissions import Actor, Role
from lilong.foundation.objects.models import StorageUse, StoredObject, Upload
from lilong.foundation.objects.public import append_upload, begin_upload, find_many
from lilong.foundation.objects.queries import ObjectMissing, UploadMissing, get_upload, list_objects, open_storage
from lilong.foundation.objects.services.uploads import (
    DigestMismatch,
    OffsetWrong,
    QuotaReached,
    UploadSizeDiffers,
    UploadTooLong,
    abandon_upload,
)
from lilong.foundation.objects.storage import BytesMissing, StorageFull, UploadBusy
from tests.bytes import NOW, ORGANISATION, begin, digest, fresh, read, upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


def append(begun, content, *, offset):
    return append_upload(upload_id=begun.upload_id, offset=offset, chunks=[content], now=NOW)


def used_bytes(organisation_id=ORGANISATION):
    return StorageUse.objects.get(organisation_id=organisation_id).used_bytes


def list_files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_uploaded_in_pieces_is_read_back(folder):
    content = fresh(300_000)
    begun = begin(content)
    for start, end in pairwise([0, 1, 100_000, 299_999, 300_000]):
        assert append(begun, content[start:end], offset=start) == end

    assert read(digest(content)) == content
    assert read(digest(content), offset=299_998) == content[-2:]
    assert read(digest(content), offset=5, end=7) == content[5:7]
    assert [path.name for path in list_files(folder)] == [f"{digest(content)}.{begun.upload_id}"]


def test_an_empty_object_needs_one_empty_request():
    upload(b"")
    assert read(digest(b"")) == b""


def test_beginning_again_finds_the_open_upload_where_it_stands():
    content = fresh(10)
    begun = begin(content)
    append(begun, content[:4], offset=0)

    again = begin(content)
    assert (again.upload_id, again.offset, again.complete) == (begun.upload_id, 4, False)
    assert used_bytes() == 10


def test_beginning_what_is_held_says_complete_and_costs_nothing_more():
    content = fresh(10)
    upload(content)
    assert begin(content).complete
    assert begin(content).complete
    assert used_bytes() == 10
    assert Upload.objects.count() == 1


def test_a_lost_answer_to_the_last_piece_is_given_again():
    content = fresh(10)
    begun = begin(content)
    append(begun, content, offset=0)
    assert append(begun, b"", offset=10) == 10


def test_bytes_at_another_offset_are_refused_with_the_right_one():
    content = fresh(10)
    begun = begin(content)
    append(begun, content[:4], offset=0)
    for offset in (0, 3, 5):
        with pytest.raises(OffsetWrong) as refused:
            append(begun, content[4:], offset=offset)
        assert refused.value.facts == {"offset": 4}


def test_more_bytes_than_announced_are_refused():
    content = fresh(10)
    with pytest.raises(UploadTooLong):
        append(begin(content), content + b"x", offset=0)


def test_other_bytes_than_announced_end_the_upload_and_free_the_quota(folder):
    begun = begin(fresh(10))
    with pytest.raises(DigestMismatch):
        append(begun, fresh(10), offset=0)
    with pytest.raises(UploadMissing):
        append(begun, b"", offset=0)
    assert used_bytes() == 0
    assert not list_files(folder)


def test_another_size_for_the_same_digest_is_refused():
    content = fresh(10)
    begin(content)
    with pytest.raises(UploadSizeDiffers):
        begin_upload(organisation_id=ORGANISATION, sha256=digest(content), size_bytes=11, now=NOW)


def test_what_came_before_a_broken_connection_is_kept():
    content = fresh(10)
    begun = begin(content)

    def break_off():
        yield content[:6]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        append_upload(upload_id=begun.upload_id, offset=0, chunks=break_off(), now=NOW)
    assert append(begun, content[6:], offset=6) == 10
    assert read(digest(content)) == content


def test_two_requests_never_write_to_one_upload_at_once():
    content = fresh(10)
    begun = begin(content)

    def interleave():
        yield content[:5]
        with pytest.raises(UploadBusy):
            append(begun, content, offset=0)
        yield content[5:]

    append_upload(upload_id=begun.upload_id, offset=0, chunks=interleave(), now=NOW)
    assert read(digest(content)) == content


def test_knowing_a_digest_gives_no_access():
    content = fresh(10)
    upload(content)

    assert find_many(organisation_id="org_2", sha256s=[digest(content)]) == {}
    with pytest.raises(ObjectMissing):
        read(digest(content), organisation_id="org_2")
    assert not begin(content, organisation_id="org_2").complete


def test_equal_bytes_of_two_organisations_lie_on_the_disk_once_and_count_for_both(folder):
    content = fresh(10)
    upload(content)
    upload(content, organisation_id="org_2")

    assert len(list_files(folder)) == 1
    assert read(digest(content), organisation_id="org_2") == content
    assert (used_bytes(), used_bytes("org_2")) == (10, 10)


def test_lost_bytes_say_so_and_a_new_upload_brings_them_back(folder):
    content = fresh(10)
    upload(content)
    list_files(folder)[0].unlink()
    with pytest.raises(BytesMissing):
        read(digest(content))

    upload(content)
    assert read(digest(content)) == content
    assert used_bytes() == 10


def test_a_lost_part_ends_the_upload(folder):
    content = fresh(10)
    begun = begin(content)
    append(begun, content[:5], offset=0)
    list_files(folder)[0].unlink()
    with pytest.raises(UploadMissing):
        append(begun, content[5:], offset=5)
    assert used_bytes() == 0
    assert not list_files(folder)


def test_an_abandoned_upload_leaves_nothing(folder):
    content = fresh(10)
    begun = begin(content)
    append(begun, content[:5], offset=0)
    with pytest.raises(UploadMissing):
        abandon_upload(organisation_id="org_2", upload_id=begun.upload_id)
    abandon_upload(organisation_id=ORGANISATION, upload_id=begun.upload_id)
    assert used_bytes() == 0
    assert not list_files(folder)


def test_an_upload_that_is_abandoned_while_it_is_written_enters_nothing():
    content = fresh(10)
    begun = begin(content)

    def abandon_half_way():
        yield content[:5]
        abandon_upload(organisation_id=ORGANISATION, upload_id=begun.upload_id)
        yield content[5:]

    with pytest.raises(UploadMissing):
        append_upload(upload_id=begun.upload_id, offset=0, chunks=abandon_half_way(), now=NOW)
    assert find_many(organisation_id=ORGANISATION, sha256s=[digest(content)]) == {}
    assert used_bytes() == 0


def test_others_see_neither_uploads_nor_objects():
    content = fresh(10)
    sha256 = upload(content)
    begun = begin(fresh(9))
    owner, other, nobody = (Actor(organisation_id=name, role=Role.OWNER) for name in (ORGANISATION, "org_2", ""))

    assert get_upload(actor=owner, upload_id=begun.upload_id).offset == 0
    assert [item.sha256 for item in list_objects(actor=owner, cursor=None, limit=10).items] == [sha256]
    for stranger in (other, nobody):
        assert not list_objects(actor=stranger, cursor=None, limit=10).items
        with pytest.raises(UploadMissing):
            get_upload(actor=stranger, upload_id=begun.upload_id)


def test_the_quota_counts_open_uploads_and_says_what_is_left(set_hub):
    set_hub(object_quota_bytes=100)
    begin(fresh(60))
    with pytest.raises(QuotaReached) as refused:
        begin(fresh(41))
    assert refused.value.facts == {"limit": 100, "used": 60, "asked": 41}
    assert begin(fresh(40)).offset == 0


def test_a_full_disk_keeps_the_offset_and_the_upload_goes_on_when_there_is_room(set_hub):
    content = fresh(10)
    begun = begin(content)
    append(begun, content[:4], offset=0)
    set_hub(storage_reserve_bytes=2**60)
    with pytest.raises(StorageFull):
        append(begun, content[4:], offset=4)

    set_hub(storage_reserve_bytes=0)
    assert append(begun, content[4:], offset=4) == 10
    assert read(digest(content)) == content


def test_many_that_bring_the_same_bytes_at_once_leave_one_object_and_a_reference_each(folder):
    content = fresh(50_000)
    organisations = [f"org_{number % 3}" for number in range(9)]
    together = threading.Barrier(len(organisations))

    def bring(organisation_id):
        together.wait()
        try:
            for _ in range(1000):
                begun = begin(content, organisation_id=organisation_id)
                if begun.complete:
                    return
                end = begun.offset + 10_000
                try:
                    append(begun, content[begun.offset : end], offset=begun.offset)
                except (UploadBusy, OffsetWrong):
                    continue
            raise AssertionError("never complete")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(organisations)) as threads:
        list(threads.map(bring, organisations))

    assert StoredObject.objects.count() == 1
    assert len(list_files(folder)) == 1
    for organisation_id in set(organisations):
        assert read(digest(content), organisation_id=organisation_id) == content
        assert used_bytes(organisation_id) == len(content)


def test_a_race_for_the_last_of_the_quota_is_won_by_as_many_as_fit(set_hub):
    set_hub(object_quota_bytes=35)
    contents = [fresh(10) for _ in range(12)]
    together = threading.Barrier(len(contents))

    def race(content):
        together.wait()
        try:
            upload(content)
        except QuotaReached as refused:
            return refused.facts["used"]
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(contents)) as threads:
        answers = list(threads.map(race, contents))

    assert answers.count(None) == 3
    assert [used for used in answers if used is not None] == [30] * 9
    assert used_bytes() == 30


def test_reading_goes_on_while_the_object_is_deleted():
    content = fresh(600_000)
    sha256 = upload(content)
    stored = StoredObject.objects.get(sha256=sha256)
    stream = open_storage().read(key=stored.key, start=0, end=len(content))
    first = next(stream)
    open_storage().delete(key=stored.key)
    assert first + b"".join(stream) == content


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_order_of_requests_stores_other_bytes_than_announced(data):
    content = os.urandom(data.draw(st.integers(0, 40), label="size"))
    begun = begin(content)
    safe = 0
    for _ in range(data.draw(st.integers(0, 12), label="requests")):
        offset = data.draw(st.integers(0, len(content) + 2) | st.just(safe), label="offset")
        piece = content[offset : data.draw(st.integers(0, len(content)), label="end")]
        if offset == safe or begin(content).complete:
            safe = append(begun, piece, offset=offset)
            assert safe == (len(content) if begin(content).complete else offset + len(piece))
        else:
            with pytest.raises(OffsetWrong) as refused:
                append(begun, piece, offset=offset)
            assert refused.value.facts == {"offset": safe}
    assert upload(content) == digest(content)
    assert read(digest(content)) == content
