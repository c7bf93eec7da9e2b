import json
from io import StringIO

import pytest
from django.core.management import call_command

from lilong.foundation.record.models import Entry, Log, Payload
from lilong.foundation.record.public import get_key_ring, seal
from lilong.foundation.record.services.logs import NotRestoring
from lilong.protocol.checkpoint import KeyKind, SigningKey
from lilong.protocol.evidence import KeyRingIncomplete
from lilong.protocol.exports import render_json
from tests.record_hub import later, put_back, record, seal_all, take_snapshot

pytestmark = pytest.mark.django_db


def answer(*arguments):
    printed = StringIO()
    call_command("record", *arguments, stdout=printed)
    return json.loads(printed.getvalue())


def test_verify_counts_what_it_recomputed(auditors):
    record(1)
    seal(now=later(1))

    assert answer("verify") == {"logs": 1, "entries": 2, "erased": 0, "heads": 2, "witnessed": 2, "problems": []}


def test_verify_names_what_is_wrong(auditors):
    entry_id = record(1)
    seal(now=later(1))
    Payload.objects.filter(pk=entry_id).update(content='{"charged_uc":2}')

    [problem] = answer("verify")["problems"]
    assert f"{entry_id}: the payload is not the one" in problem


def test_keys_tells_the_keys_file_and_the_fingerprints(auditors):
    told, ring = answer("keys"), get_key_ring()

    assert render_json(told["keys_file"]) == ring.render()
    assert told["fingerprints"] == {key.text: key.fingerprint for key in (*ring.logs, *ring.witnesses)}


def test_keys_of_a_hub_without_witnesses_are_shown_but_make_no_keys_file(alone):
    with pytest.raises(KeyRingIncomplete) as refused:
        answer("keys")
    assert list(refused.value.facts) == [get_key_ring().logs[0].text]


def test_keys_of_a_hub_whose_witness_does_not_run_yet_are_known_before_its_first_head(db, settings, tmp_path):
    key = SigningKey(name="auditor.example/w1", kind=KeyKind.WITNESS, seed=bytes(32)).verifier
    settings.LILONG = settings.LILONG.model_copy(
        update={"home": tmp_path, "witnesses": (f"http://127.0.0.1:9 {key.text}",)}
    )

    told = answer("keys")

    assert Log.objects.get().size == 0
    assert render_json(told["keys_file"]) == get_key_ring().render()
    assert get_key_ring().logs[0].name == settings.LILONG.record_origin_in_force


def test_rotate_key_tells_the_key_to_give_to_witnesses(auditors):
    assert answer("rotate-key") == {"key": get_key_ring().logs[1].text}


def test_end_restore_records_why(auditors):
    with pytest.raises(NotRestoring):
        answer("end-restore", "statements matched")
    backup = take_snapshot()
    record(1)
    seal(now=later(1))
    put_back(backup)
    seal_all(later(3600))

    answer("end-restore", "statements matched")

    said = json.loads(Entry.objects.select_related("payload").get(kind="record.restore_ended").payload.content)
    assert said == {"ended_by": "operator@machine", "reason": "statements matched"}
