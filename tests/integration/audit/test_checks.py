"""What somebody changes in a pack is found, also when the hub itself signed the change; a check asks no database."""

import json
from dataclasses import dataclass, replace

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from lilong.protocol.audit_pack import (
    END_FILE,
    JOURNAL_FILE,
    MANIFEST_FILE,
    MOVES_FILE,
    PAY_OUTS_FILE,
    SIGNATURE_FILE,
    START_FILE,
)
from lilong.protocol.checkpoint import KeyKind, SigningKey
from lilong.protocol.evidence import KeyRing
from lilong.protocol.exports import render_json
from lilong.sdk.audit_checks import PackUnreadable, check_pack
from tests.packs import RATE, live_through_march, read_files, read_seed, tamper, trust_hub, write_march

pytestmark = pytest.mark.django_db  # for `made` alone
STRANGER = SigningKey(name="hub.example/record", kind=KeyKind.LOG, seed=bytes(32))
WITNESS = SigningKey(name="auditor.example/w1", kind=KeyKind.WITNESS, seed=bytes(32))


@dataclass(frozen=True)
class Made:
    """A pack, the keys that check it, and the private one that signed it."""

    content: bytes
    ring: KeyRing
    seed: bytes


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "objects").mkdir()
    hub = {"home": home, "storage_reserve_bytes": 0, "credit_rates": (RATE,), "record_origin": "hub.example/record"}
    with (
        django_db_blocker.unblock(),
        override_settings(LILONG=settings.LILONG.model_copy(update=hub)),
        transaction.atomic(),
    ):
        live_through_march()
        pack = Made(write_march(), trust_hub(), read_seed())
        transaction.set_rollback(True)
    return pack


@pytest.fixture
def check(tmp_path, made):
    def find_problems(content, *, ring=made.ring):
        file = tmp_path / "pack.zip"
        file.write_bytes(content)
        return check_pack(file=file, ring=ring)

    return find_problems


def alter(path, old, new):
    def change(files):
        assert old in files[path], files[path]
        files[path] = files[path].replace(old, new, 1)

    return change


def find(files, ending):
    return next(name for name in sorted(files) if name.endswith(ending))


def alter_json(ending, edit):
    def change(files):
        path = find(files, ending)
        said = json.loads(files[path])
        edit(said)
        files[path] = render_json(said)

    return change


def edit_entries(edit):
    def change(files):
        path = find(files, "entries.jsonl")
        entries = [json.loads(line) for line in files[path].splitlines()]
        edit(entries)
        files[path] = b"".join(map(render_json, entries))

    return change


def entry_of(entries, kind):
    return next(each for each in entries if each["leaf"]["type"] == kind)


def test_a_pack_holds_together_and_says_what_is_in_it(made, check):
    found = check(made.content)
    files = read_files(made.content)

    assert found.problems == ()
    assert (found.hub, found.begins_on, found.ends_on) == ("hub.example/record", "2026-03-01", "2026-04-01")
    assert found.files == len(files) - 2
    assert found.transfers == files[MOVES_FILE].count(b"\n") - 1 > 5
    assert found.signers == ("hub.example/record",)
    assert found.kinds["supermarket.invoice"] == found.kinds["ledger.pay_out"] == 1
    assert found.kinds["funding.programme_rules"] == 2
    assert {name.rpartition(".")[2] for name in files} == {"csv", "json", "jsonl", "beancount", "pdf"}
    heads = json.loads(files[find(files, "heads.json")])
    assert heads["earlier"] != heads["head"]
    assert b"DE00 1234" not in b"".join(files.values())


OUTSIDE = {
    "a file is changed": (alter(PAY_OUTS_FILE, b"b 7", b"b 8"), "is not the file that the manifest lists"),
    "a file is taken out": (lambda files: files.pop(PAY_OUTS_FILE), "pay-outs.csv is missing"),
    "a file is added": (lambda files: files.update({"note.txt": b"x"}), "note.txt was added"),
    "the signature is cut": (lambda files: files.pop(SIGNATURE_FILE), "signature.json cannot be read"),
    "the manifest is changed": (alter(MANIFEST_FILE, b"trial balance", b"trail balance"), "does not fit the manifest"),
    "the manifest is written anew": (alter(MANIFEST_FILE, b"{", b"{ "), "not in its one form"),
    "another key is named": (
        alter_json(SIGNATURE_FILE, lambda said: said.update(key_id=STRANGER.verifier.fingerprint)),
        "not among those given",
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_whoever_has_no_key_of_the_hub_changes_nothing_unseen(made, check, name):
    change, problem = OUTSIDE[name]
    found = check(tamper(made.content, change))

    assert any(problem in each for each in found.problems), found.problems


def swap_ends(files):
    files[START_FILE], files[END_FILE] = files[END_FILE], files[START_FILE]


def drop_transfer(files):
    lines = files[MOVES_FILE].splitlines(keepends=True)
    files[MOVES_FILE] = b"".join(line for line in lines if b",settle," not in line)


def drop_hold(files):
    lines = files[MOVES_FILE].splitlines(keepends=True)
    held = max(number for number, line in enumerate(lines) if b",pend," in line)
    files[MOVES_FILE] = b"".join(lines[:held] + lines[held + 1 :])


def raise_sum(files):
    _, *rows = files[END_FILE].splitlines(keepends=True)
    row = next(each for each in rows if each.startswith(b"wallet,"))
    kind, count, posted, *rest = row.split(b",")
    files[END_FILE] = files[END_FILE].replace(row, b",".join([kind, count, b"%d" % (int(posted) + 1), *rest]))


def drop_assertion(files):
    lines = files[JOURNAL_FILE].splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b" balance " in line and b" 0.000000" not in line)
    files[JOURNAL_FILE] = b"".join(lines[:last] + lines[last + 1 :])


INSIDE = {
    "a figure of the trial balance": (raise_sum, "is not balanced"),
    "the trial balances in each other's place": (swap_ends, "disagree"),
    "a transfer left out": (drop_transfer, "part at"),
    "a hold left out": (drop_hold, "do not lead to"),
    "a transfer of another month": (alter(MOVES_FILE, b"2026-03-01T", b"2026-02-01T"), "does not count for the period"),
    "an amount of the journal": (alter(JOURNAL_FILE, b"  5.000000 CREDIT", b"  6.000000 CREDIT"), "part at"),
    "an assertion of the journal": (drop_assertion, "does not assert"),
    "a line that no hub writes": (alter(JOURNAL_FILE, b"\n\n", b"\npad A B\n"), "no hub writes"),
    "a figure of a report": (
        alter_json("report.json", lambda said: said["total"].update(spent_uc=0)),
        "report.json does not add up",
    ),
    "a whole report": (
        lambda files: files.pop(find(files, "report.json")),
        "reports of programmes do not agree",
    ),
    "a rule": (alter_json("rule-1.json", lambda said: said.update(cap_uc=1)), "not the rule that was recorded"),
    "a rule left out": (lambda files: files.pop(find(files, "rule-2.json")), "rule-2.json is missing"),
    "an invoice": (
        alter_json("-000001.json", lambda said: said.update(currency="EUR")),
        "not the document that was recorded",
    ),
    "an invoice left out": (
        lambda files: [files.pop(name) for name in list(files) if name.startswith("invoices/")],
        "INV-2026-000001.json is missing",
    ),
    "the reference of a pay-out": (alter(PAY_OUTS_FILE, b"b 7", b"b 8"), "not what was recorded"),
    "who approved a pay-out": (alter(PAY_OUTS_FILE, b"per_", b"pex_"), "was not approved by these two people"),
    "a pay-out left out": (
        lambda files: files.update({PAY_OUTS_FILE: files[PAY_OUTS_FILE].partition(b"\n")[0] + b"\n"}),
        "different pay-outs",
    ),
    "what an entry says": (
        edit_entries(lambda each: entry_of(each, "cases.decision")["payload"].update(reason="no")),
        "payload is not what was recorded",
    ),
    "the kind of an entry": (
        edit_entries(lambda each: entry_of(each, "cases.decision")["leaf"].update(type="cases.other")),
        "not under the head",
    ),
    "the place of an entry": (edit_entries(lambda each: each[0].update(index=each[1]["index"])), "not under the head"),
    "the proof between the heads": (alter_json("heads.json", lambda said: said.update(consistency=[])), "continue"),
    "the size of a head": (
        alter_json("heads.json", lambda said: said.update(head=said["head"].replace("\n", "\n1", 1))),
        "signature",
    ),
    "heads in each other's place": (
        alter_json("heads.json", lambda said: said.update(head=said["earlier"], earlier=said["head"])),
        "continue",
    ),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_hub_that_signs_something_else_contradicts_itself(made, check, name):
    change, problem = INSIDE[name]
    found = check(tamper(made.content, change, seed=made.seed))

    assert any(problem in each for each in found.problems), found.problems


def test_signing_anew_what_was_not_changed_is_no_change(made, check):
    assert check(tamper(made.content, lambda _: None, seed=made.seed)).problems == ()


def test_a_pack_is_checked_by_the_keys_that_are_given_and_by_enough_witnesses(made, check):
    strangers = KeyRing(logs=(STRANGER.verifier,), witnesses=(), required=0)
    assert any("not among those given" in each for each in check(made.content, ring=strangers).problems)
    witnessed = replace(made.ring, witnesses=(WITNESS.verifier,), required=1)
    assert any("0 of 1 witnesses" in each for each in check(made.content, ring=witnessed).problems)


def test_erased_entries_keep_their_proof_and_are_counted(made, check):
    def erase(entries):
        for each in entries:
            if each["leaf"]["type"] in {"cases.decision", "ledger.pay_out"}:
                each["payload"] = each["key"] = None

    found = check(tamper(made.content, edit_entries(erase), seed=made.seed))
    assert found.problems == ()
    assert found.erased > 1


@pytest.mark.parametrize("content", [b"", b"PK no zip", None])
def test_what_is_no_pack_is_said_to_be_none(made, check, content):
    other = tamper(made.content, lambda files: files.pop(MANIFEST_FILE)) if content is None else content
    with pytest.raises(PackUnreadable):
        check(other)
