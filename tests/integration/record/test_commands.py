import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lilong.foundation.record.models import Entry, Log, Payload
from lilong.foundation.record.public import get_key_ring, seal
from lilong.protocol.checkpoint import KeyKind, SigningKey
from tests.record_hub import later, put_back, record, seal_all, take_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def printed():
    return {"stdout": StringIO(), "stderr": StringIO()}


def test_verify_counts_what_it_recomputed(auditors, printed):
    record(1)
    seal(now=later(1))

    call_command("record", "verify", **printed)

    assert printed["stdout"].getvalue() == "2 entries (0 erased) in 1 logs, 2 heads, 2 entries witnessed.\n"


def test_verify_fails_and_names_what_is_wrong(auditors):
    entry_id = record(1)
    seal(now=later(1))
    Payload.objects.filter(pk=entry_id).update(content='{"charged_uc":2}')

    with pytest.raises(CommandError, match=f"{entry_id}: the payload is not the one"):
        call_command("record", "verify")


def test_keys_prints_the_keys_file_and_the_fingerprints(auditors, printed):
    call_command("record", "keys", **printed)

    ring, told = get_key_ring(), printed["stderr"].getvalue()
    assert printed["stdout"].getvalue().encode() == ring.render()
    assert all(f"{key.fingerprint} {key.text}" in told for key in (*ring.logs, *ring.witnesses))


def test_keys_of_a_hub_without_witnesses_are_shown_but_make_no_keys_file(alone, printed):
    with pytest.raises(CommandError, match="Set `witnesses`"):
        call_command("record", "keys", **printed)
    assert get_key_ring().logs[0].text in printed["stderr"].getvalue()


def test_keys_of_a_hub_whose_witness_does_not_run_yet_are_known_before_its_first_head(db, settings, tmp_path, printed):
    key = SigningKey(name="auditor.example/w1", kind=KeyKind.WITNESS, seed=bytes(32)).verifier
    settings.LILONG = settings.LILONG.model_copy(
        update={"home": tmp_path, "witnesses": (f"http://127.0.0.1:9 {key.text}",)}
    )

    call_command("record", "keys", **printed)

    assert Log.objects.get().size == 0
    assert printed["stdout"].getvalue().encode() == get_key_ring().render()
    assert get_key_ring().logs[0].name == settings.LILONG.record_origin_in_force


def test_rotate_key_prints_the_key_to_give_to_witnesses(auditors, printed):
    call_command("record", "rotate-key", **printed)

    assert printed["stdout"].getvalue().strip() == get_key_ring().logs[1].text


def test_end_restore_records_why(auditors):
    with pytest.raises(CommandError, match="The hub is not in restore mode"):
        call_command("record", "end-restore", "statements matched")
    backup = take_snapshot()
    record(1)
    seal(now=later(1))
    put_back(backup)
    seal_all(later(3600))

    call_command("record", "end-restore", "statements matched")

    said = json.loads(Entry.objects.select_related("payload").get(kind="record.restore_ended").payload.content)
    assert said == {"ended_by": "operator@machine", "reason": "statements matched"}
