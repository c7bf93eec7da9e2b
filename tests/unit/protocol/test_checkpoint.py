"""Vectors: the key and note of golang.org/x/mod/sumdb/note, and a head that real logs and witnesses signed."""

import base64
from dataclasses import replace

import pytest

from lilong.protocol.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    KeyInvalid,
    KeyKind,
    NoteInvalid,
    SignatureWrong,
    SignedNote,
    SigningKey,
    cosign_note,
    list_signers,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    sign_log_note,
)

GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_BODY = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
HEAD = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\u2014 arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\u2014 remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
"""  # noqa: E501 - one line each, as signed
LOG_KEY = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
WITNESS_KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

LOG = SigningKey(name="hub.example/record", kind=KeyKind.LOG, seed=bytes(range(32)))
WITNESS = SigningKey(name="auditor.example/w1", kind=KeyKind.WITNESS, seed=bytes(range(32, 64)))
CHECKPOINT = Checkpoint(origin="hub.example/record", size=7, root=bytes(32))


def make_note() -> SignedNote:
    body = CHECKPOINT.body
    lines = (sign_log_note(body=body, key=LOG), cosign_note(body=body, key=WITNESS, signed_s=1_700_000_000))
    return SignedNote(body=body, lines=lines)


def test_a_note_is_signed_as_the_reference_signs_it():
    key = SigningKey(name="PeterNeumann", kind=KeyKind.LOG, seed=GO_SEED)

    assert key.verifier.text == GO_KEY
    assert sign_log_note(body=GO_BODY, key=key).text == GO_LINE
    assert list_signers(note=parse_note(f"{GO_BODY}\n{GO_LINE}"), keys=[key.verifier]) == [key.verifier]


def test_a_head_of_a_public_log_and_its_witness_verifies():
    keys = [parse_verifier_key(LOG_KEY), parse_verifier_key(WITNESS_KEY)]

    note = parse_note(HEAD)

    assert [key.kind for key in keys] == [KeyKind.LOG, KeyKind.WITNESS]
    assert list_signers(note=note, keys=keys) == keys
    assert parse_checkpoint(note.body).size == 1432088532
    assert [key.text for key in keys] == [LOG_KEY, WITNESS_KEY]


def test_a_head_survives_being_written_and_read():
    note = make_note()

    read = parse_note(note.text)

    assert read == note
    assert parse_checkpoint(read.body) == CHECKPOINT
    assert list_signers(note=read, keys=[LOG.verifier, WITNESS.verifier]) == [LOG.verifier, WITNESS.verifier]


def test_lines_of_unknown_keys_sign_nothing():
    assert list_signers(note=make_note(), keys=[parse_verifier_key(WITNESS_KEY)]) == []


@pytest.mark.parametrize("key", [LOG, WITNESS])
def test_a_signature_is_refused_over_another_head(key):
    note = replace(make_note(), body=replace(CHECKPOINT, size=8).body)

    with pytest.raises(SignatureWrong):
        list_signers(note=note, keys=[key.verifier])


def test_a_cosignature_is_refused_under_another_time():
    note = make_note()
    line = note.lines[1]
    later = replace(line, signature=(1_700_000_001).to_bytes(8, "big") + line.signature[8:])

    with pytest.raises(SignatureWrong):
        list_signers(note=replace(note, lines=(later,)), keys=[WITNESS.verifier])


def test_a_log_key_cannot_pass_for_a_witness():
    as_witness = SigningKey(name=LOG.name, kind=KeyKind.WITNESS, seed=LOG.seed)

    assert list_signers(note=make_note(), keys=[as_witness.verifier]) == []


@pytest.mark.parametrize("place", range(len(GO_KEY)))
def test_a_verifier_key_with_one_character_changed_is_refused(place):
    changed = GO_KEY[:place] + chr(ord(GO_KEY[place]) ^ 1) + GO_KEY[place + 1 :]

    with pytest.raises(KeyInvalid):
        parse_verifier_key(changed)


@pytest.mark.parametrize("text", ["", "name", "name+00000000", "a b+c74f20a3+ARpc", GO_KEY + "=", GO_KEY[:-1]])
def test_a_malformed_verifier_key_is_refused(text):
    with pytest.raises(KeyInvalid):
        parse_verifier_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no signature\n",
        "body\n\n",
        "body\n\n\u2014 name\n",
        "body\n\n\u2014 name AAAA\n",
        "body\n\n- name AAAAAAA=\n",
        "body\n\n\u2014 name AAAAAAB=\n",
        "body\n\n\u2014 na+me AAAAAAA=\n",
        "body\n\n\u2014 name AAAAAAA=",
        "body\r\n\n\u2014 name AAAAAAA=\n",
        "x" * 70_000 + "\n\n\u2014 name AAAAAAA=\n",
    ],
)
def test_what_is_not_a_note_in_its_one_form_is_refused(text):
    with pytest.raises(NoteInvalid):
        parse_note(text)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "origin\n",
        "origin\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "origin\n1\n" + base64.b64encode(bytes(32)).decode() + "\nextension\n",
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n1\n" + base64.b64encode(bytes(32)).decode(),
    ],
)
def test_what_is_not_a_head_is_refused(body):
    with pytest.raises(CheckpointInvalid):
        parse_checkpoint(body)


def test_a_signing_key_does_not_show_its_seed():
    assert LOG.seed.hex() not in repr(LOG)
    assert repr(LOG.seed) not in repr(LOG)
