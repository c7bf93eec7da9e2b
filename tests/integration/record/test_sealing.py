import itertools
import threading

import pytest
from django.db import IntegrityError, connection, connections, transaction

from lilong.common.errors import NotAllowed, NotFound
from lilong.foundation.outbox.public import take_lease
from lilong.foundation.record.core.entries import EntryInvalid
from lilong.foundation.record.models import Entry, Head, Node, Payload
from lilong.foundation.record.public import append, seal, verify
from lilong.foundation.record.queries.entries import get_entry, list_feed
from lilong.foundation.record.queries.heads import find_open_log
from lilong.foundation.record.queries.trees import PlaceInvalid, get_root, prove_consistency, prove_inclusion
from lilong.foundation.record.services import sealing
from lilong.foundation.record.services.entries import erase_payload
from lilong.protocol.transparency import count_stored, is_consistent, is_included
from tests.record_hub import MEMBER, NOW, OPERATOR, STRANGER, later, record, seal_all

pytestmark = pytest.mark.django_db


def open_log():
    log = find_open_log()
    assert log is not None
    return log


def test_an_entry_lives_and_dies_with_the_transaction_of_its_decision(alone):
    with transaction.atomic():
        record(1)
        transaction.set_rollback(True)
    assert seal(now=NOW) == 0

    record(1)
    assert seal(now=NOW) == 1


def test_appending_costs_two_statements(alone, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(2):
        append(kind="hub.override", subject_id="ord_1", payload={}, now=NOW)


@pytest.mark.parametrize(
    ("kind", "subject_id", "payload"),
    [
        ("", "ord_1", {}),
        ("Order", "ord_1", {}),
        ("order.", "ord_1", {}),
        ("order." + "x" * 64, "ord_1", {}),
        ("order.settled", "", {}),
        ("order.settled", "Ms Li", {}),
        ("order.settled", "x" * 65, {}),
        ("order.settled", "ord_1", {"text": "x" * 70_000}),
    ],
)
def test_what_does_not_belong_into_a_leaf_is_refused(alone, kind, subject_id, payload):
    with pytest.raises(EntryInvalid):
        append(kind=kind, subject_id=subject_id, payload=payload, now=NOW)


def test_every_sealed_entry_is_proven_under_every_later_head(alone, monkeypatch):
    monkeypatch.setattr(sealing, "BATCH", 7)
    for count in (1, 5, 20):
        for number in range(count):
            record(number)
        assert seal_all() == count

    log = open_log()
    sizes = sorted(Head.objects.values_list("size", flat=True))
    assert log.size == Entry.objects.count() == sizes[-1] == 27
    for index, entry in enumerate(Entry.objects.order_by("index")):
        assert entry.index == index
        for size in (size for size in sizes if size > index):
            proof = prove_inclusion(log=log, index=index, size=size)
            root = get_root(log=log, size=size)
            assert is_included(leaf=entry.leaf.hash, index=index, size=size, proof=proof, root=root)
    for old_size in sizes:
        assert is_consistent(
            old_size=old_size,
            old_root=get_root(log=log, size=old_size),
            new_size=27,
            new_root=get_root(log=log, size=27),
            proof=prove_consistency(log=log, old_size=old_size, new_size=27),
        )
    assert Node.objects.count() == count_stored(size=27)
    assert verify().problems == ()


def test_a_proof_costs_one_query(alone, django_assert_num_queries):
    for number in range(40):
        record(number)
    seal(now=NOW)
    log = open_log()

    with django_assert_num_queries(1):
        prove_inclusion(log=log, index=13, size=41)
    with django_assert_num_queries(1):
        prove_consistency(log=log, old_size=13, new_size=41)


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 2)])
def test_no_proof_leads_outside_the_log(alone, index, size):
    with pytest.raises(PlaceInvalid):
        prove_inclusion(log=open_log(), index=index, size=size)
    with pytest.raises(PlaceInvalid):
        prove_consistency(log=open_log(), old_size=index, new_size=size + 1)


def test_nothing_is_sealed_while_another_holds_the_lease(alone):
    record(1)
    take_lease(name=sealing.LEASE, holder="another", seconds=30, now=NOW)

    assert seal(now=NOW) == 0
    assert seal(now=later(31)) == 1


def test_a_place_is_given_once(alone):
    record(1)
    record(2)
    seal(now=NOW)
    entry = Entry.objects.get(subject_id="ord_1")

    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.filter(subject_id="ord_2").update(index=entry.index)


def test_erasing_what_an_entry_says_leaves_every_proof_valid(alone):
    entry_id = record(1)
    seal(now=NOW)
    root = get_root(log=open_log(), size=2)

    erase_payload(entry_id=entry_id, actor=OPERATOR, now=later(1))
    erase_payload(entry_id=entry_id, actor=OPERATOR, now=later(2))
    seal(now=later(3))

    report = verify()
    assert not Payload.objects.filter(pk=entry_id).exists()
    assert get_root(log=open_log(), size=2) == root
    assert (report.entries, report.erased, report.problems) == (3, 1, ())
    assert get_entry(entry_id=entry_id, actor=OPERATOR).payload is None
    assert Entry.objects.get(kind="record.payload_erased").subject_id == entry_id


def test_only_operators_erase_and_only_what_is_there(alone):
    entry_id = record(1)

    with pytest.raises(NotAllowed):
        erase_payload(entry_id=entry_id, actor=MEMBER, now=NOW)
    with pytest.raises(NotFound):
        erase_payload(entry_id="rec_none", actor=OPERATOR, now=NOW)


def test_everybody_sees_type_and_hash_and_only_the_organisation_what_was_said(alone):
    entry_id = record(1)
    seal(now=NOW)

    (item,) = list_feed(log=open_log(), size=2, start=1, limit=10)
    assert (item.index, item.kind, item.hash) == (
        1,
        "supermarket.settlement",
        Entry.objects.get(pk=entry_id).leaf.hash,
    )
    assert get_entry(entry_id=entry_id, actor=MEMBER).payload == '{"charged_uc":1}'
    assert get_entry(entry_id=entry_id, actor=OPERATOR).payload == '{"charged_uc":1}'
    with pytest.raises(NotFound):
        get_entry(entry_id=entry_id, actor=STRANGER)


def test_an_entry_of_no_organisation_is_for_operators_alone(alone):
    entry_id = record(1, organisation_id="")

    with pytest.raises(NotFound):
        get_entry(entry_id=entry_id, actor=MEMBER)
    assert get_entry(entry_id=entry_id, actor=OPERATOR).index is None


@pytest.mark.parametrize(("start", "limit"), [(-1, 10), (0, 0), (0, 201)])
def test_a_page_of_the_feed_is_bounded(alone, start, limit):
    with pytest.raises(PlaceInvalid):
        list_feed(log=open_log(), size=1, start=start, limit=limit)


@pytest.mark.django_db(transaction=True)
def test_sealers_and_writers_at_once_give_each_entry_one_place(alone, monkeypatch):
    monkeypatch.setattr(sealing, "BATCH", 5)
    hours = itertools.count(1)  # whoever seals finds the lease of those before expired, while they still work
    failures: list[BaseException] = []

    def act(number: int) -> None:
        try:
            for turn in range(10):
                if number % 2:
                    record(number * 100 + turn)
                else:
                    seal(now=later(3600 * next(hours)))
        except BaseException as error:  # noqa: BLE001 - shown in the assertion below
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    seal_all(later(3600 * next(hours)))

    assert failures == []
    assert list(Entry.objects.order_by("index").values_list("index", flat=True)) == list(range(31))
    assert verify().problems == ()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_writer_waits_for_no_other_writer_and_no_sealer(alone):
    first_wrote, second_sealed = threading.Event(), threading.Event()
    outcome: list[bool] = []

    def write_slowly() -> None:
        with transaction.atomic():
            record(1)
            first_wrote.set()
            outcome.append(second_sealed.wait(timeout=30))
        connection.close()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert first_wrote.wait(timeout=30)
    record(2)
    assert seal(now=NOW) == 1
    second_sealed.set()
    thread.join(timeout=30)

    assert outcome == [True]
    assert seal(now=NOW) == 1
    assert list(Entry.objects.order_by("index").values_list("subject_id", flat=True))[1:] == ["ord_2", "ord_1"]
