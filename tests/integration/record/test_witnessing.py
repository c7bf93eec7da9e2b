import pytest

from lilong.common.errors import NotAllowed
from lilong.foundation.record.core.witnesses import WitnessSettingInvalid
from lilong.foundation.record.models import Cosignature, Entry, Head, Key, Log, Witness
from lilong.foundation.record.public import (
    append,
    end_restore,
    get_key_ring,
    is_restoring,
    rotate_key,
    seal,
    sign,
    verify,
)
from lilong.foundation.record.queries.heads import find_open_log, find_published_head
from lilong.foundation.record.services.key_files import KeyFileMissing
from lilong.foundation.record.services.logs import NotRestoring
from lilong.protocol.checkpoint import list_signers, parse_note
from lilong.protocol.signatures import is_content_signed
from tests.record_hub import (
    MEMBER,
    NOW,
    OPERATOR,
    later,
    published_size,
    put_back,
    record,
    seal_all,
    take_snapshot,
    trust_all,
)

pytestmark = pytest.mark.django_db


def problems() -> list[str]:
    return [problem for problem in Witness.objects.values_list("problem", flat=True) if problem]


def test_a_head_is_published_with_the_signatures_of_hub_and_witnesses(auditors):
    record(1)
    assert seal(now=NOW) == 1

    log = find_open_log()
    assert log is not None
    head = find_published_head(log=log)
    assert head is not None
    ring = get_key_ring()
    assert head.size == 2
    assert set(list_signers(note=parse_note(head.note), keys=[*ring.logs, *ring.witnesses])) == {
        *ring.logs,
        *(auditor.key for auditor in auditors),
    }
    assert verify().witnessed == 2


def test_a_quiet_hub_neither_seals_nor_asks(auditors, django_assert_num_queries):
    for auditor in auditors:
        auditor.stop()

    with django_assert_num_queries(10, exact=False):
        assert seal(now=later(1)) == 0
    assert problems() == []


def test_a_head_is_shown_to_nobody_before_enough_witnesses_cosigned_it(auditors):
    auditors[0].stop()
    record(1)
    seal(now=NOW)
    assert published_size() == 2

    auditors[1].stop()
    record(2)
    seal(now=later(1))
    assert published_size() == 2
    assert len(problems()) == 2

    auditors[1].start()
    seal(now=later(5))
    assert published_size() == 2, "a witness that failed is left alone for ten seconds"
    seal(now=later(12))
    assert published_size() == 3


def test_a_head_that_nobody_cosigned_makes_way_for_the_next(auditors):
    for auditor in auditors:
        auditor.stop()
    for number in range(4):
        record(number)
        seal(now=later(number))
    for auditor in auditors:
        auditor.start()
    seal(now=later(30))

    assert list(Head.objects.order_by("size").values_list("size", flat=True)) == [1, 5]
    assert Cosignature.objects.count() == 6
    assert verify().problems == ()


def test_a_cosignature_that_was_lost_on_the_way_is_asked_for_again(auditors):
    record(1)
    seal(now=NOW)
    Cosignature.objects.filter(head__size=2).delete()

    record(2)
    seal(now=later(1))

    assert published_size() == 3


def test_a_witness_that_does_not_trust_the_log_is_named(auditors):
    Log.objects.update(origin="hub.example/other")
    record(1)
    seal(now=later(70))

    assert published_size() == 1
    assert problems() == ["It answered 404: unknown_log"] * 3


def test_an_answer_that_is_no_signature_is_not_believed(auditors, settings):
    ports = [auditor.port for auditor in auditors]
    for auditor in auditors:
        auditor.stop()
    auditors[0].port, auditors[1].port = ports[1], ports[0]
    for auditor in auditors:
        auditor.start()
    record(1)
    seal(now=NOW)

    assert published_size() == 1, "each of the two signs with a key that was not asked for"
    assert Cosignature.objects.filter(head__size=2).count() == 1


@pytest.mark.parametrize("setting", ["", "http://x", "ftp://x key", "http://127.0.0.1:1 hub+00000000+AAAA"])
def test_a_witness_that_is_not_written_as_address_and_key_is_refused(alone, settings, setting):
    settings.LILONG = settings.LILONG.model_copy(update={"witnesses": (setting,)})

    with pytest.raises(WitnessSettingInvalid):
        seal(now=NOW)


def test_nothing_is_sealed_while_the_witnesses_do_not_confirm_our_log(auditors):
    for auditor in auditors[:2]:
        auditor.stop()
    record(1)

    assert seal(now=later(70)) == 0
    assert Entry.objects.get(subject_id="ord_1").index is None

    auditors[0].start()
    assert seal(now=later(75)) == 0
    assert seal(now=later(90)) == 1


def test_money_is_not_paid_out_while_the_witnesses_do_not_confirm_our_log(auditors):
    assert not is_restoring(now=later(500))
    assert is_restoring(now=later(601))

    seal(now=later(601))
    assert not is_restoring(now=later(601))


def test_a_hub_without_witnesses_pays_out(alone):
    assert not is_restoring(now=later(10**6))


def test_a_hub_restored_behind_its_published_head_opens_another_log(auditors):
    backup = take_snapshot()
    for number in range(3):
        record(number)
    seal(now=later(1))
    log = find_open_log()
    assert log is not None
    published = find_published_head(log=log)
    assert published is not None

    put_back(backup)
    record(7, at=later(3600))
    seal_all(later(3600))

    opened = find_open_log()
    assert opened is not None
    assert (opened.number, opened.origin) == (2, "hub.example/record/2")
    assert parse_note(opened.follows_note).body == parse_note(published.note).body
    assert Log.objects.get(number=1).size == 1, "the old log is never continued"
    assert set(Entry.objects.filter(log=opened).values_list("kind", flat=True)) == {
        "record.log_opened",
        "supermarket.settlement",
    }
    assert is_restoring(now=later(3600))
    assert published_size() == 0, "no witness trusts the new log before its auditor has said so"
    assert verify().problems == ()


def test_a_restored_hub_is_whole_again_once_people_have_looked(auditors):
    backup = take_snapshot()
    record(1)
    seal(now=later(1))
    put_back(backup)
    seal_all(later(3600))

    trust_all(auditors)
    seal_all(later(3620))
    assert published_size() == 1
    assert is_restoring(now=later(3620))

    with pytest.raises(NotAllowed):
        end_restore(actor=MEMBER, reason="statements of March matched", now=later(3621))
    end_restore(actor=OPERATOR, reason="statements of March matched", now=later(3621))
    with pytest.raises(NotRestoring):
        end_restore(actor=OPERATOR, reason="again", now=later(3622))

    seal_all(later(3623))
    assert not is_restoring(now=later(3623))
    assert Entry.objects.filter(kind="record.restore_ended", index=1).exists()


def test_a_hub_restored_from_before_its_last_restore_opens_a_third_log(auditors):
    backup = take_snapshot()
    record(1)
    seal(now=later(1))
    for hour in (1, 2):
        put_back(backup)
        seal_all(later(3600 * hour))
        trust_all(auditors)
        seal_all(later(3600 * hour + 20))

    log = find_open_log()
    assert log is not None
    assert log.number == 3
    assert log.follows_note.startswith("hub.example/record/2\n")


def test_a_hub_that_lost_its_whole_database_but_not_its_keys_opens_another_log(auditors):
    record(1)
    seal(now=later(1))
    put_back("[]")

    seal_all(later(3600))

    log = find_open_log()
    assert log is not None
    assert log.number == 2


def test_a_hub_restored_to_exactly_its_published_head_goes_on(auditors):
    record(1)
    seal(now=later(1))
    backup = take_snapshot()
    record(2)
    put_back(backup)
    record(3)
    seal_all(later(3600))

    assert published_size() == 3
    assert not is_restoring(now=later(3600))


def test_an_operator_learns_of_a_witness_that_tells_a_head_of_another_key(auditors, settings, tmp_path):
    (tmp_path / "home2").mkdir()
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path / "home2"})
    put_back("[]")

    assert seal(now=later(3600)) == 0

    assert set(problems()) == {"The witness tells a head that we did not sign or it did not cosign."}
    assert is_restoring(now=later(3600))


def test_a_new_key_signs_beside_the_old_one_for_seven_days(auditors):
    old = get_key_ring().logs[0]

    new = rotate_key(actor=OPERATOR, now=later(10))
    seal(now=later(11))
    during = Head.objects.latest("size").note
    trust_all(auditors)
    record(1)
    seal(now=later(8 * 86400))
    after = Head.objects.latest("size").note

    assert list_signers(note=parse_note(during), keys=[old, new]) == [new, old]
    assert list_signers(note=parse_note(after), keys=[old, new]) == [new]
    assert published_size() == 3
    assert set(get_key_ring().logs) == {old, new}
    entry = Entry.objects.select_related("payload").get(kind="record.key_rotated")
    assert new.text in entry.payload.content
    assert old.text in entry.payload.content
    assert verify().problems == ()


def test_only_an_operator_rotates_the_key(alone):
    with pytest.raises(NotAllowed):
        rotate_key(actor=MEMBER, now=NOW)


def test_a_signature_of_the_hub_names_its_key_and_covers_its_content(alone):
    signature = sign(content=b"a quote")

    (key,) = get_key_ring().logs
    assert signature.key_id == key.fingerprint
    assert is_content_signed(content=b"a quote", signature_hex=signature.hex, public_key=key.public_key)
    assert not is_content_signed(content=b"another", signature_hex=signature.hex, public_key=key.public_key)


def test_signing_needs_no_log_and_makes_one_key(db, settings, tmp_path):
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path})

    assert sign(content=b"a quote") == sign(content=b"a quote")
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["record-1.key"]
    assert (tmp_path / "keys" / "record-1.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", ["remove", "exchange"])
def test_nothing_is_signed_while_the_key_is_not_the_one_that_is_known(alone, settings, spoil):
    path = settings.LILONG.home / "keys" / "record-1.key"
    path.unlink()
    if spoil == "exchange":
        row = Key.objects.get()
        Key.objects.all().delete()
        sign(content=b"with a new key")
        Key.objects.all().delete()
        row.save()
    append_one = record(1)

    with pytest.raises(KeyFileMissing):
        seal(now=NOW)
    with pytest.raises(KeyFileMissing):
        sign(content=b"a quote")
    assert Entry.objects.get(pk=append_one).index is None


def test_an_entry_tells_of_the_first_log(alone):
    assert Entry.objects.get().kind == "record.log_opened"
    append(kind="hub.override", subject_id="log_1", payload={}, now=NOW)
