import os
from datetime import timedelta

import pytest

from lilong.foundation.objects.models import Hold, Link, StorageUse, StoredObject, Upload
from lilong.foundation.objects.public import append_upload, drop_hold, find_many, hold, make_link, open_link
from lilong.foundation.objects.queries import ObjectMissing, get_storage_use
from lilong.foundation.objects.reactions import reconcile
from lilong.foundation.objects.services.links import LINK_S_MAX, LinkInvalid, LinkTooLong, revoke_links
from lilong.foundation.objects.services.references import ObjectHeld, delete_object, renew
from lilong.foundation.objects.storage import SHARDS
from tests.bytes import NOW, ORGANISATION, begin, digest, fresh, read, upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def is_there(sha256, *, organisation_id=ORGANISATION):
    return sha256 in find_many(organisation_id=organisation_id, sha256s=[sha256])


def keep(sha256, *, holder="run_1", until=None, organisation_id=ORGANISATION, now=NOW):
    hold(organisation_id=organisation_id, sha256s=[sha256], holder=holder, until=until, now=now)


def list_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_nobody_uses_ends_after_the_retention_and_its_bytes_after_the_grace(folder):
    sha256 = upload(fresh(10))
    reconcile(now=NOW + 30 * DAY - MINUTE)
    assert is_there(sha256)

    reconcile(now=NOW + 30 * DAY)
    assert not is_there(sha256)
    assert get_storage_use(organisation_id=ORGANISATION).used_bytes == 0
    assert list_files(folder)

    reconcile(now=NOW + 31 * DAY - MINUTE)
    assert list_files(folder)
    reconcile(now=NOW + 31 * DAY)
    assert not list_files(folder)
    assert not StoredObject.objects.exists()


def test_what_is_asked_for_stays_longer():
    sha256 = upload(fresh(10))
    renew(organisation_id=ORGANISATION, sha256s=[sha256], now=NOW + DAY)
    reconcile(now=NOW + 30 * DAY)
    assert is_there(sha256)


def test_a_hold_keeps_an_object_and_the_retention_counts_from_its_end():
    sha256 = upload(fresh(10))
    keep(sha256)
    keep(sha256, holder="run_2", until=NOW + 100 * DAY)
    drop_hold(holder="run_1")
    reconcile(now=NOW + 99 * DAY)
    assert is_there(sha256)

    reconcile(now=NOW + 100 * DAY)
    assert not Hold.objects.exists()
    reconcile(now=NOW + 129 * DAY)
    assert is_there(sha256)
    reconcile(now=NOW + 130 * DAY)
    assert not is_there(sha256)


def test_holding_again_sets_the_end_anew_even_after_a_drop():
    sha256 = upload(fresh(10))
    keep(sha256, until=NOW + DAY)
    keep(sha256, until=NOW + 50 * DAY)
    drop_hold(holder="run_1")
    keep(sha256, until=NOW + 60 * DAY)
    assert Hold.objects.count() == 1

    reconcile(now=NOW + 59 * DAY)
    assert is_there(sha256)


def test_holding_what_is_not_there_holds_nothing_and_names_it():
    sha256, missing = upload(fresh(10)), digest(fresh(10))
    with pytest.raises(ObjectMissing, match=missing):
        hold(organisation_id=ORGANISATION, sha256s=[sha256, missing], holder="run_1", until=None, now=NOW)
    with pytest.raises(ObjectMissing):
        keep(sha256, organisation_id="org_2")
    assert not Hold.objects.exists()


def test_the_owner_cannot_delete_what_a_run_needs():
    sha256 = upload(fresh(10))
    keep(sha256)
    with pytest.raises(ObjectHeld) as refused:
        delete_object(organisation_id=ORGANISATION, sha256=sha256, now=NOW)
    assert refused.value.facts == {"holder": "run_1"}

    drop_hold(holder="run_1")
    delete_object(organisation_id=ORGANISATION, sha256=sha256, now=NOW)
    assert not is_there(sha256)
    with pytest.raises(ObjectMissing):
        delete_object(organisation_id=ORGANISATION, sha256=sha256, now=NOW)


def test_one_organisation_deletes_nothing_of_another(folder):
    content = fresh(10)
    sha256 = upload(content)
    upload(content, organisation_id="org_2")
    delete_object(organisation_id=ORGANISATION, sha256=sha256, now=NOW)
    reconcile(now=NOW + 2 * DAY)

    assert read(sha256, organisation_id="org_2") == content
    assert len(list_files(folder)) == 1


def test_bytes_uploaded_again_within_the_grace_stay():
    content = fresh(10)
    delete_object(organisation_id=ORGANISATION, sha256=upload(content), now=NOW)
    upload(content, now=NOW + DAY - MINUTE)
    reconcile(now=NOW + 3 * DAY)
    assert read(digest(content)) == content


def test_an_upload_left_alone_for_a_day_ends_and_frees_the_quota(folder):
    content = fresh(10)
    begun = begin(content)
    append_upload(upload_id=begun.upload_id, offset=0, chunks=[content[:5]], now=NOW + HOUR)
    os.utime(list_files(folder)[0], (NOW.timestamp(),) * 2)
    reconcile(now=NOW + DAY)
    assert get_storage_use(organisation_id=ORGANISATION).used_bytes == 10

    reconcile(now=NOW + DAY + HOUR)
    assert StorageUse.objects.get().used_bytes == 0
    assert not Upload.objects.exists()
    assert not list_files(folder)


def test_files_that_no_row_names_go_and_others_stay(folder):
    content = fresh(10)
    sha256 = upload(content)
    begun = begin(fresh(20))
    orphans = [
        folder / "uploads" / "upl_0000",
        folder / "ab" / "ab" / f"{'ab' * 32}.upl_{'0' * 32}",
        folder / sha256[:2] / sha256[2:4] / f"{sha256}.upl_{'0' * 32}",
    ]
    waiting = folder / "12" / "12" / f"{'12' * 32}.{begun.upload_id}"
    foreign = folder / "ab" / "cd" / "note.txt"
    for path in (*orphans, waiting, foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    for shard in range(SHARDS):
        reconcile(now=NOW + 2 * HOUR + shard * MINUTE)

    assert not [path for path in orphans if path.exists()]
    assert waiting.exists()
    assert foreign.exists()
    assert read(sha256) == content


def test_a_second_reconcile_finds_nothing_to_do():
    upload(fresh(10))
    later = NOW + 40 * DAY
    assert reconcile(now=later) == 2
    assert reconcile(now=later) == 0


def test_a_link_reads_one_object_until_it_expires():
    content = fresh(10)
    sha256 = upload(content)
    link = make_link(organisation_id=ORGANISATION, sha256=sha256, seconds=3600, now=NOW)

    assert b"".join(open_link(token=link.token, now=NOW, offset=2).chunks) == content[2:]
    assert link.token not in Link.objects.get().token_sha256
    with pytest.raises(LinkInvalid):
        open_link(token=link.token, now=NOW + HOUR)
    with pytest.raises(LinkInvalid):
        open_link(token=f"{link.token}x", now=NOW)
    reconcile(now=NOW + HOUR)
    assert not Link.objects.exists()


def test_a_link_needs_an_object_of_ones_own_and_a_short_life():
    sha256 = upload(fresh(10))
    with pytest.raises(ObjectMissing):
        make_link(organisation_id="org_2", sha256=sha256, seconds=1, now=NOW)
    for seconds in (0, LINK_S_MAX + 1):
        with pytest.raises(LinkTooLong):
            make_link(organisation_id=ORGANISATION, sha256=sha256, seconds=seconds, now=NOW)


def test_links_are_revoked_and_end_with_their_object():
    first, second = upload(fresh(10)), upload(fresh(10))
    links = [make_link(organisation_id=ORGANISATION, sha256=sha256, seconds=60, now=NOW) for sha256 in (first, second)]
    with pytest.raises(ObjectMissing):
        revoke_links(organisation_id="org_2", sha256=first)
    assert revoke_links(organisation_id=ORGANISATION, sha256=first) == 1
    delete_object(organisation_id=ORGANISATION, sha256=second, now=NOW)
    for link in links:
        with pytest.raises(LinkInvalid):
            open_link(token=link.token, now=NOW)


def test_a_linked_object_outlives_its_retention():
    sha256 = upload(fresh(10))
    make_link(organisation_id=ORGANISATION, sha256=sha256, seconds=LINK_S_MAX, now=NOW + 29 * DAY)
    reconcile(now=NOW + 31 * DAY)
    assert is_there(sha256)
