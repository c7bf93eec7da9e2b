"""What everybody may read over HTTP, checked as an outsider would: with nothing but the answers."""

import base64

import pytest

from lilong.foundation.record.public import get_key_ring, seal
from lilong.protocol.checkpoint import list_signers, parse_checkpoint, parse_note, parse_verifier_key
from lilong.protocol.transparency import grow_tree, is_consistent, is_included
from tests.record_hub import later, put_back, record, seal_all, take_snapshot

pytestmark = pytest.mark.django_db


def read(client, path, status=200, **query):
    answer = client.get(f"/api/v1/record/{path}", query)
    assert answer.status_code == status, answer.content
    return answer.json()


def decode(hashes):
    return [base64.b64decode(text, validate=True) for text in hashes]


def read_head(client, **query):
    told = read(client, "head", **query)
    head = parse_checkpoint(parse_note(told["note"]).body)
    assert (told["origin"], told["size"]) == (head.origin, head.size)
    return head


def test_an_outsider_rebuilds_the_tree_from_the_feed(auditors, client):
    for number in range(30):
        record(number)
    seal(now=later(1))

    hashes, start, page = [], 0, {}
    while start is not None:
        page = read(client, "entries", start=start, limit=7)
        assert [item["index"] for item in page["items"]] == list(range(start, start + len(page["items"])))
        hashes += decode(item["hash"] for item in page["items"])
        start = page["next_start"]

    assert grow_tree(size=0, peaks=(), leaves=hashes).root == read_head(client).root
    assert {*page["items"][0]} == {"index", "type", "hash"}


def test_an_outsider_follows_the_log_from_head_to_head(auditors, client):
    old = read_head(client)
    for number in range(9):
        record(number)
    seal(now=later(1))
    new = read_head(client)

    growth = read(client, "proofs/consistency", old_size=old.size, new_size=new.size)["proof"]
    path = read(client, "proofs/inclusion", index=4, size=new.size)["proof"]
    (item,) = read(client, "entries", start=4, limit=1)["items"]

    assert is_consistent(
        old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root, proof=decode(growth)
    )
    (leaf,) = decode([item["hash"]])
    assert is_included(leaf=leaf, index=4, size=new.size, proof=decode(path), root=new.root)


def test_keys_come_with_fingerprints_and_sign_the_head(auditors, client):
    told = read(client, "keys")
    keys = [parse_verifier_key(text) for text in told["key_ring"]["logs"] + told["key_ring"]["witnesses"]]

    assert told["key_ring"]["required"] == 2
    assert told["fingerprints"] == {key.text: key.fingerprint for key in keys}
    assert set(list_signers(note=parse_note(read(client, "head")["note"]), keys=keys)) == set(keys)


def test_what_is_not_witnessed_is_not_shown(auditors, client):
    for auditor in auditors:
        auditor.stop()
    record(1)
    seal(now=later(1))

    assert read_head(client).size == 1
    assert len(read(client, "entries")["items"]) == 1
    assert read(client, "proofs/inclusion", 422, index=0, size=2)["code"] == "record.place_invalid"
    assert read(client, "proofs/consistency", 422, old_size=1, new_size=2)["code"] == "record.place_invalid"


def test_a_log_that_was_left_can_still_be_read(auditors, client):
    backup = take_snapshot()
    record(1)
    seal(now=later(1))
    put_back(backup)
    seal_all(later(3600))

    assert read(client, "head", 409)["code"] == "record.not_witnessed_yet"
    assert read_head(client, log=1).origin == "hub.example/record"
    assert read(client, "head", 404, log=3)["code"] == "not_found"
    assert len(get_key_ring().logs) == 2


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("head", {"log": 0}),
        ("head", {"log": "x"}),
        ("entries", {"start": -1}),
        ("entries", {"start": 10**30}),
        ("entries", {"limit": 201}),
        ("proofs/inclusion", {"index": 5, "size": 1}),
        ("proofs/inclusion", {"size": 1}),
        ("proofs/consistency", {"old_size": 0, "new_size": 1}),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(auditors, client, path, query):
    assert read(client, path, 422, **query)["code"] in {"input.invalid", "record.place_invalid"}


def test_a_page_behind_the_end_is_empty(auditors, client):
    assert read(client, "entries", start=10**9) == {"items": [], "next_start": None}


@pytest.mark.parametrize("path", ["entries/rec_" + "0" * 32, "bundle?subject_id=ord_1", "status"])
def test_what_entries_say_needs_a_token(auditors, client, path):
    record(1)
    seal(now=later(1))

    assert client.get(f"/api/v1/record/{path}").status_code in {401, 403, 404}
