"""What an operator may try with the whole database and the signing key in hand, and how each try ends."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.db import transaction

from lilong.common.errors import NotFound
from lilong.foundation.record.models import Cosignature, Entry, Head, Log, Node, Payload
from lilong.foundation.record.public import append, get_bundle, get_key_ring, seal, verify
from lilong.foundation.record.queries.bundles import ENTRIES_MAX, BundleTooLarge
from lilong.foundation.record.queries.heads import NotWitnessedYet, find_open_log
from lilong.foundation.record.queries.trees import prove_consistency
from lilong.foundation.record.services.key_files import list_active_keys
from lilong.protocol.checkpoint import encode_base64, parse_checkpoint, parse_note
from lilong.protocol.exports import KEYS_FILE, RECORD_FILE, SETTLEMENT_KIND, render_json
from lilong.protocol.witnessing import CosignRequest
from tests.order_exports import Order, write_order
from tests.record_hub import (
    MEMBER,
    NOW,
    OPERATOR,
    STRANGER,
    later,
    published_size,
    put_back,
    record,
    seal_all,
    take_snapshot,
)

pytestmark = pytest.mark.django_db

TOOLS = Path(__file__).parents[3] / "tools"
NOT_ASKING = {"witnesses": (), "witnesses_required": 1}


@pytest.fixture
def folder(auditors, tmp_path):
    """Make the exports of an order that was settled between others, beside the keys of hub and witnesses."""
    made = tmp_path / "exports"
    made.mkdir()
    (made / KEYS_FILE).write_bytes(get_key_ring().render())
    record(1)
    seal(now=NOW)
    settlement = write_order(made, Order())
    with transaction.atomic():
        append(kind=SETTLEMENT_KIND, subject_id="ord_9", payload=settlement, organisation_id="org_a", now=NOW)
    record(2)
    seal(now=NOW)
    write_bundle(made)
    return made


def write_bundle(folder: Path) -> None:
    bundle = get_bundle(subject_ids=["ord_9", "quo_9"], actor=MEMBER)
    (folder / RECORD_FILE).write_bytes(render_json(bundle))


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", TOOLS / tool, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def verify_outside(folder: Path) -> str:
    """Return what the outsider's script says."""
    answer = run("verify_record.py", str(folder), "--keys", str(folder / KEYS_FILE))
    assert (answer.returncode == 0) is answer.stdout.startswith("OK")
    return answer.stdout + answer.stderr


def open_log() -> Log:
    log = find_open_log()
    assert log is not None
    return log


def head_of(bundle: Path) -> int:
    return parse_checkpoint(parse_note(json.loads((bundle / RECORD_FILE).read_bytes())["head"]).body).size


def test_an_outsider_verifies_what_the_hub_exports(folder):
    assert verify_outside(folder).startswith("OK: 1 entries under a head of 4 leaves")
    assert run("recompute_charge.py", str(folder)).returncode == 0


def test_the_same_entries_give_the_same_bundle_however_far_the_log_has_grown(folder):
    before = (folder / RECORD_FILE).read_bytes()
    for number in range(10, 15):
        record(number)
        seal(now=later(number))

    write_bundle(folder)

    assert (folder / RECORD_FILE).read_bytes() == before
    assert json.loads(before)["earlier"].startswith("hub.example/record\n2\n")


def test_a_bundle_is_for_those_whose_entries_they_are(folder):
    with pytest.raises(NotFound):
        get_bundle(subject_ids=["ord_9"], actor=STRANGER)
    assert get_bundle(subject_ids=["ord_9"], actor=OPERATOR) == get_bundle(subject_ids=["ord_9"], actor=MEMBER)


def test_a_bundle_waits_for_seal_and_witnesses(auditors):
    record(1)
    with pytest.raises(NotWitnessedYet):
        get_bundle(subject_ids=["ord_1"], actor=MEMBER)
    for auditor in auditors:
        auditor.stop()
    seal(now=NOW)
    with pytest.raises(NotWitnessedYet):
        get_bundle(subject_ids=["ord_1"], actor=MEMBER)


def test_a_bundle_is_bounded(alone):
    for _ in range(ENTRIES_MAX + 1):
        record(1)

    with pytest.raises(BundleTooLarge):
        get_bundle(subject_ids=["ord_1"], actor=MEMBER)


def test_a_database_rolled_back_and_signed_again_is_refused(auditors, settings, tmp_path):
    """A day is taken back, the order is settled at another price, and all is signed again with the true key."""
    backup = take_snapshot()
    for number in range(3):
        record(number)
    seal(now=later(1))
    put_back(backup)
    keys = get_key_ring().render()
    trusting = settings.LILONG
    settings.LILONG = trusting.model_copy(update=NOT_ASKING)

    forged = tmp_path / "forged"
    forged.mkdir()
    settlement = write_order(forged, Order())
    with transaction.atomic():
        append(kind=SETTLEMENT_KIND, subject_id="ord_9", payload=settlement, organisation_id="org_a", now=later(2))
    for number in range(5):
        record(number)
    seal(now=later(2))
    write_bundle(forged)
    (forged / KEYS_FILE).write_bytes(keys)

    assert "REFUSED: a head lacks the signature of its log or of enough witnesses" in verify_outside(forged)
    head = Head.objects.latest("size")
    for auditor in auditors:
        url = auditor.setting.split()[0]
        for old_size in (1, 4):
            proof = prove_consistency(log=open_log(), old_size=old_size, new_size=head.size)
            request = CosignRequest(old_size=old_size, proof=proof, note=head.note).render()
            answer = httpx.post(f"{url}/add-checkpoint", content=request, trust_env=False)
            assert answer.status_code in {409, 422}
    settings.LILONG = trusting
    seal_all(later(3))
    seal_all(later(4))
    assert open_log().number == 2, "a hub that asks its witnesses again finds out and leaves that log"


def test_of_two_histories_for_two_people_one_is_refused(folder, settings):
    told_to_one = take_snapshot()
    record(3)
    seal(now=later(1))
    assert verify_outside(folder).startswith("OK")

    put_back(told_to_one)
    settings.LILONG = settings.LILONG.model_copy(update=NOT_ASKING)
    record(4)
    seal(now=later(1))
    bundle = get_bundle(subject_ids=["ord_4"], actor=OPERATOR)
    (folder / RECORD_FILE).write_bytes(render_json(bundle))

    assert "REFUSED" in verify_outside(folder)


def test_a_head_of_one_history_cannot_borrow_the_witnesses_of_the_other(folder, settings):
    before = take_snapshot()
    record(3)
    seal(now=later(1))
    borrowed = list(Cosignature.objects.filter(head=Head.objects.latest("size")).values_list("witness_key", "line"))
    put_back(before)
    record(4)
    settings.LILONG = settings.LILONG.model_copy(update=NOT_ASKING)
    seal(now=later(1))
    head = Head.objects.latest("size")
    for number, (key, line) in enumerate(borrowed):
        Cosignature.objects.create(id=f"cos_{number}", head=head, witness_key=key, line=line)

    bundle = {
        **get_bundle(subject_ids=["ord_4"], actor=OPERATOR),
        "earlier": json.loads((folder / RECORD_FILE).read_bytes())["head"],
        "head": head.note + "".join(line for _, line in borrowed),
        "consistency": [encode_base64(node) for node in prove_consistency(log=open_log(), old_size=4, new_size=5)],
    }
    (folder / RECORD_FILE).write_bytes(render_json(bundle))

    assert "REFUSED: InvalidSignature" in verify_outside(folder)


def test_an_edited_payload_is_found(folder):
    payload = Payload.objects.get(entry__subject_id="ord_9")
    payload.content = payload.content.replace('"charged_uc":5123500', '"charged_uc":9999999')
    payload.save()
    write_bundle(folder)

    assert "REFUSED: the payload of" in verify_outside(folder)
    assert verify().problems == (f"{payload.entry_id}: the payload is not the one that was committed to.",)


def test_an_edited_entry_is_found(folder):
    Entry.objects.filter(subject_id="ord_9").update(recorded_at=later(1))
    write_bundle(folder)

    assert "REFUSED: {" in verify_outside(folder)
    assert "a stored hash of the leaves" in verify().problems[0]


def test_an_edit_that_recomputes_the_tree_is_found(folder):
    """The entry, its hashes and the newest head are all made to fit; the witnesses signed another head."""
    Entry.objects.filter(subject_id="ord_9").update(recorded_at=later(1))
    Node.objects.all().delete()
    Head.objects.filter(size=4).update(note="")
    Cosignature.objects.all().delete()
    Head.objects.all().delete()
    Entry.objects.update(log=None, index=None)
    Log.objects.update(size=0)
    seal(now=later(2))

    assert published_size() == 0
    with pytest.raises(NotWitnessedYet):
        write_bundle(folder)
    seal_all(later(3))
    assert open_log().number == 2


def test_a_dropped_leaf_is_found(folder):
    entry = Entry.objects.get(subject_id="ord_1")
    Payload.objects.filter(entry=entry).delete()
    entry.delete()

    assert verify().problems == ("hub.example/record: of the leaves 1 to 2 only 0 are there.",)


def test_a_leaf_dropped_from_a_tree_that_is_then_rebuilt_is_found(folder, auditors):
    entry = Entry.objects.get(subject_id="ord_1")
    Payload.objects.filter(entry=entry).delete()
    entry.delete()
    Cosignature.objects.all().delete()
    Head.objects.all().delete()
    Node.objects.all().delete()
    Entry.objects.update(log=None, index=None)
    Log.objects.update(size=0)
    record(5)
    record(6)
    seal(now=later(1))

    assert published_size() == 0, "the rebuilt log is longer than the one witnessed, but does not continue it"


def test_a_replayed_head_hides_nothing(folder):
    """Somebody is shown the head from before the order as if it were the newest."""
    bundle = json.loads((folder / RECORD_FILE).read_bytes())
    bundle.update(head=bundle["earlier"], consistency=[])
    (folder / RECORD_FILE).write_bytes(render_json(bundle))

    assert "REFUSED" in verify_outside(folder)


def test_a_replayed_head_is_not_cosigned(folder, auditors):
    old = Head.objects.get(size=2)

    for old_size in (0, 2, 4):
        request = CosignRequest(old_size=old_size, proof=(), note=old.note).render()
        answer = httpx.post(f"{auditors[0].setting.split()[0]}/add-checkpoint", content=request, trust_env=False)
        assert answer.status_code in {400, 409}


def test_the_log_of_a_hub_that_never_asked_a_witness_proves_nothing_outside(alone, tmp_path):
    settlement = write_order(tmp_path, Order())
    with transaction.atomic():
        append(kind=SETTLEMENT_KIND, subject_id="ord_9", payload=settlement, organisation_id="org_a", now=NOW)
    seal(now=NOW)
    write_bundle(tmp_path)
    (key,) = list_active_keys(origin="hub.example/record", now=NOW)
    (tmp_path / KEYS_FILE).write_bytes(render_json({"logs": [key.verifier.text], "required": 0, "witnesses": []}))

    assert head_of(tmp_path) == 2
    assert "REFUSED: a head lacks the signature" in verify_outside(tmp_path)
