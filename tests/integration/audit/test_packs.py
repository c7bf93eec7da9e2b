"""Packs from the request to the download: of closed periods alone, made once, the same bytes each time, recorded."""

import io
import json
import tracemalloc
from datetime import timedelta

import pytest

from lilong.common.canonical import sha256_hex
from lilong.common.errors import NotAllowed
from lilong.common.time import utc_now
from lilong.foundation.ledger.public.moves import close_period
from lilong.foundation.record.models import Entry, Payload
from lilong.foundation.record.public import rotate_key
from lilong.foundation.record.services.entries import append
from lilong.platforms.audit.core.packs import KEPT_FOR, PackState, PeriodOpen
from lilong.platforms.audit.models import AuditPack
from lilong.platforms.audit.queries import PackMissing, PackNotReady, get_pack, list_packs, open_pack
from lilong.platforms.audit.services import packs as making
from lilong.platforms.audit.services.packs import make_packs, request_pack
from lilong.platforms.audit.services.writing import PackWriter
from lilong.sdk.audit_checks import check_pack
from tests.market import CREDIT
from tests.packs import CLOSED, MARCH, live_through_march, read_files, trust_hub, write_march
from tests.people import found_operator, found_owner
from tests.programmes import make_programme
from tests.record_hub import seal_all
from tests.sessions import browse_as

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
LATER = CLOSED + timedelta(days=1)
PAGE = "/desk/packs"


def close_march():
    operator = found_operator()
    make_programme(fund_uc=3 * CREDIT, operator=operator)
    close_period(actor=operator, ends_at=MARCH.end, now=CLOSED)
    seal_all(CLOSED)
    return operator


def read(operator, pack_id, *, now=LATER):
    return b"".join(open_pack(actor=operator, pack_id=pack_id, now=now).chunks)


def test_a_pack_is_made_by_the_worker_kept_recorded_and_holds_together(tmp_path):
    operator = live_through_march()
    pack_id = request_pack(actor=operator, period=MARCH, now=CLOSED)
    assert request_pack(actor=found_operator(), period=MARCH, now=CLOSED) == pack_id
    with pytest.raises(PackNotReady):
        open_pack(actor=operator, pack_id=pack_id, now=CLOSED)
    assert make_packs(now=LATER) == 1
    assert make_packs(now=LATER) == 0
    pack = get_pack(actor=operator, pack_id=pack_id, now=LATER)
    content = read(operator, pack_id)

    assert (pack.state, pack.sha256, pack.size_bytes) == (PackState.READY, sha256_hex(content), len(content))
    (entry,) = Entry.objects.filter(kind="audit.pack_made")
    said = json.loads(Payload.objects.get(pk=entry.pk).content)
    assert (said["sha256"], said["requested_by"]) == (pack.sha256, operator.person_id)
    file = tmp_path / "march.zip"
    file.write_bytes(content)
    assert check_pack(file=file, ring=trust_hub()).problems == ()
    with pytest.raises(PackNotReady):
        open_pack(actor=operator, pack_id=pack_id, now=LATER + KEPT_FOR)


def test_what_happens_later_leaves_a_closed_period_the_same_bytes():
    operator = live_through_march()
    first = write_march()
    make_programme(fund_uc=CREDIT, name="Later", operator=operator, now=LATER)
    append(kind="cases.decision", subject_id="cas_1", payload={}, now=LATER)
    seal_all(LATER)

    assert write_march(now=LATER + timedelta(days=90)) == first


def test_a_key_that_was_changed_signs_packs_to_come_and_is_in_the_keys_file(tmp_path):
    operator = close_march()
    before = write_march()
    rotate_key(actor=operator, now=LATER)
    seal_all(LATER)
    after = write_march(now=LATER)
    file = tmp_path / "pack.zip"
    for content in (before, after):
        file.write_bytes(content)
        assert check_pack(file=file, ring=trust_hub()).problems == ()

    assert read_files(before)["manifest.json"] == read_files(after)["manifest.json"]
    assert before != after


def test_a_pack_is_refused_while_something_can_count_for_its_period():
    operator = found_operator()
    with pytest.raises(PeriodOpen):
        request_pack(actor=operator, period=MARCH, now=CLOSED)
    close_period(actor=operator, ends_at=MARCH.end - timedelta(days=1), now=CLOSED)
    with pytest.raises(PeriodOpen):
        request_pack(actor=operator, period=MARCH, now=CLOSED)
    assert not AuditPack.objects.exists()


def test_packs_are_for_operators_alone():
    operator, owner = close_march(), found_owner()
    pack_id = request_pack(actor=operator, period=MARCH, now=CLOSED)
    for act in (
        lambda: request_pack(actor=owner, period=MARCH, now=CLOSED),
        lambda: get_pack(actor=owner, pack_id=pack_id, now=CLOSED),
        lambda: list_packs(actor=owner, cursor=None, limit=9, now=CLOSED),
        lambda: open_pack(actor=owner, pack_id=pack_id, now=CLOSED),
    ):
        with pytest.raises(NotAllowed):
            act()
    with pytest.raises(PackMissing):
        get_pack(actor=operator, pack_id="apk_none", now=CLOSED)


def test_an_entry_that_is_not_sealed_yet_lets_the_pack_wait_and_says_so():
    operator = close_march()
    append(kind="cases.decision", subject_id="cas_1", payload={}, now=MARCH.end - timedelta(days=1))
    pack_id = request_pack(actor=operator, period=MARCH, now=LATER)
    assert make_packs(now=LATER) == 0
    assert "not sealed yet" in get_pack(actor=operator, pack_id=pack_id, now=LATER).problem
    seal_all(LATER)
    assert make_packs(now=LATER) == 0  # not before its turn
    assert make_packs(now=LATER + timedelta(seconds=6)) == 1
    assert get_pack(actor=operator, pack_id=pack_id, now=LATER).problem == ""


def test_a_worker_that_is_killed_after_storing_leaves_a_pack_that_the_next_one_notes(monkeypatch):
    operator = close_march()
    pack_id = request_pack(actor=operator, period=MARCH, now=LATER)

    class KilledError(BaseException):
        """Nothing that code catches."""

    def die(*_, **__):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(making, "_finish", die)
        with pytest.raises(KilledError):
            make_packs(now=LATER)
    assert make_packs(now=LATER + timedelta(minutes=29)) == 0
    assert make_packs(now=LATER + timedelta(minutes=31)) == 1
    assert read(operator, pack_id, now=LATER + timedelta(hours=1))
    assert Entry.objects.filter(kind="audit.pack_made").count() == 1


def test_a_pack_that_two_workers_make_is_noted_once():
    operator = close_march()
    pack = AuditPack.objects.get(id=request_pack(actor=operator, period=MARCH, now=LATER))

    assert [making._make(pack, now=LATER) for _ in range(2)] == [True, False]
    assert Entry.objects.filter(kind="audit.pack_made").count() == 1


def test_a_bug_is_logged_and_the_pack_tried_again(monkeypatch):
    operator = close_march()
    pack_id = request_pack(actor=operator, period=MARCH, now=LATER)

    def fail(**_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(making, "write_pack", fail)
        assert make_packs(now=LATER) == 0
    assert get_pack(actor=operator, pack_id=pack_id, now=LATER).problem.startswith("It failed")
    assert make_packs(now=LATER + timedelta(minutes=1)) == 1


def test_memory_does_not_grow_with_the_bytes_that_are_written(tmp_path):
    def measure(count):
        with (tmp_path / "pack.zip").open("wb") as file:
            tracemalloc.start()
            with PackWriter(file) as pack:
                pack.add("lines", (b"%060d\n" % number for number in range(count)), about="lines")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    few, many = measure(5_000), measure(100_000)
    assert many < few + 200_000


def test_the_page_asks_for_packs_tells_how_they_stand_and_hands_them_over(django_assert_max_num_queries):
    operator = found_operator(now=utc_now())
    browser = browse_as(operator)
    asked = {"begins_on": "2026-03-01", "ends_on": "2026-04-01"}
    refused = browser.post(PAGE, asked)
    assert refused.status_code == 422
    assert "The books of this period are not closed" in refused.content.decode()
    close_period(actor=operator, ends_at=MARCH.end, now=utc_now())
    seal_all(utc_now())
    assert browser.post(PAGE, asked).status_code == 302
    assert "Is being made" in browser.get(PAGE).content.decode()
    make_packs(now=utc_now())
    with django_assert_max_num_queries(12):
        said = browser.get(PAGE).content.decode()
    pack = AuditPack.objects.get()
    assert pack.sha256 in said
    answer = browser.get(f"{PAGE}/{pack.id}.zip")
    content = answer.getvalue()
    assert sha256_hex(content) == pack.sha256
    assert answer["Content-Disposition"] == 'attachment; filename="audit-2026-03-01-2026-04-01.zip"'
    assert "manifest.json" in read_files(io.BytesIO(content).getvalue())
    assert "审计包" in browse_as(operator, language="zh-hans").get(PAGE).content.decode()
