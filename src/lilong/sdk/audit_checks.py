"""Check an audit pack without the hub that made it: nothing but the file and keys that came over another road.

First that the zip holds exactly what its manifest lists and that the hub signed the manifest; then, in `audit_books.py`
and here, that what the files say holds together. Memory is bounded by accounts and entries, not by transfers or bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from lilong.common.canonical import canonical_json
from lilong.common.errors import InputInvalid, LilongError
from lilong.protocol.audit_pack import (
    DECISION_KIND,
    ENTRIES_NAME,
    FORM,
    HEADS_NAME,
    INVOICE_KIND,
    MANIFEST_FILE,
    PAY_OUT_KIND,
    RECORD,
    RULE_KIND,
    SIGNATURE_FILE,
)
from lilong.protocol.checkpoint import (
    Checkpoint,
    KeyKind,
    decode_base64,
    list_signers,
    parse_checkpoint,
    parse_note,
)
from lilong.protocol.evidence import KeyRing, commit_payload
from lilong.protocol.exports import render_json
from lilong.protocol.signatures import is_content_signed
from lilong.protocol.transparency import hash_leaf, is_consistent, is_included
from lilong.sdk.audit_books import check_books, check_invoices, check_pay_outs, check_programmes

CHUNK_BYTES = 1 << 20
MANIFEST_BYTES_MAX = 64 << 20
LINE_BYTES_MAX = 1 << 20
UNREADABLE = (BadZipFile, EOFError, KeyError, NotImplementedError, OSError, TypeError, ValueError, LilongError)
"""What reading a file that a stranger wrote may raise: zip, compression, JSON of another shape, notes and proofs."""


class PackUnreadable(InputInvalid):
    """The file is no zip, or holds no manifest."""

    code = "audit.pack_unreadable"
    title = "This is not an audit pack"
    next_step = "Take the file again from who made it; a pack is a zip with manifest.json in it."


@dataclass(slots=True)
class Proven:
    """What the entries of the record say that were proven: by kind, what other files have to agree with.

    rules: SHA-256 by programme and version; invoices: SHA-256 by number; pay_outs: amount and bank reference by id;
    approvers: of approved cases, by case; erased: subjects of entries whose payload is gone.
    """

    kinds: Counter[str] = field(default_factory=Counter[str])
    rules: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    invoices: dict[str, str] = field(default_factory=dict[str, str])
    pay_outs: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    approvers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    erased: set[str] = field(default_factory=set[str])

    def note(self, leaf: Mapping[str, str], payload: Mapping[str, Any] | None) -> None:
        """Keep what an entry says."""
        kind, subject = leaf["type"], leaf["subject"]
        self.kinds[kind] += 1
        if payload is None:
            self.erased.add(subject)
        elif kind == RULE_KIND:
            self.rules[payload["programme_id"], payload["version"]] = payload["sha256"]
        elif kind == INVOICE_KIND:
            self.invoices[payload["number"]] = payload["document_sha256"]
        elif kind == PAY_OUT_KIND:
            self.pay_outs[subject] = payload["amount_uc"], payload["bank_reference"]
        elif kind == DECISION_KIND and payload["decision"] == "approved":
            said = payload["approvals"]
            self.approvers[subject] = sorted(each["person_id"] for each in said if each["decision"] == "approve")


@dataclass(frozen=True, slots=True)
class PackCheck:
    """What was checked of a pack, and every problem; without one it is what the hub signed and holds together.

    signers: names of who signed the later heads; kinds: how many entries of each kind were proven.
    """

    hub: str
    begins_on: str
    ends_on: str
    files: int
    transfers: int
    signers: tuple[str, ...]
    kinds: Mapping[str, int]
    erased: int
    problems: tuple[str, ...]


def check_pack(*, file: Path, ring: KeyRing) -> PackCheck:
    """Check a pack by keys that came from elsewhere; raises PackUnreadable. Cost: linear in its bytes, read twice."""
    try:
        with ZipFile(file) as pack:
            return _check(pack, ring)
    except UNREADABLE as error:
        raise PackUnreadable(detail=f"{file}: {error}") from error


def _check(pack: ZipFile, ring: KeyRing) -> PackCheck:
    content = _read(pack, MANIFEST_FILE)
    manifest = json.loads(content)
    if manifest["form"] != FORM:
        raise PackUnreadable(detail=f"It has the form {manifest['form']!r}.")
    problems = [*_check_signature(pack, content, manifest, ring), *_check_members(pack, manifest)]
    proven, signers, transfers = Proven(), dict[str, None](), 0
    if not problems:
        logs = sorted({name.split("/")[1] for name in pack.namelist() if name.startswith(f"{RECORD}/")}, key=int)
        for number in logs:
            problems += _check_log(pack, f"{RECORD}/{number}", ring, proven, signers, hub=manifest["hub"])
        books, found = check_books(pack=pack, begins_on=manifest["begins_on"], ends_on=manifest["ends_on"])
        transfers = books.transfers
        problems += found
        problems += check_programmes(pack=pack, proven=proven, books=books)
        problems += check_invoices(pack=pack, proven=proven)
        problems += check_pay_outs(pack=pack, proven=proven, books=books)
    return PackCheck(
        hub=manifest["hub"],
        begins_on=manifest["begins_on"],
        ends_on=manifest["ends_on"],
        files=len(manifest["files"]),
        transfers=transfers,
        signers=tuple(signers),
        kinds=dict(sorted(proven.kinds.items())),
        erased=len(proven.erased),
        problems=tuple(problems),
    )


def _check_signature(pack: ZipFile, content: bytes, manifest: Mapping[str, Any], ring: KeyRing) -> Iterator[str]:
    if render_json(manifest) != content:
        yield f"{MANIFEST_FILE} is not in its one form."
    try:
        said = json.loads(_read(pack, SIGNATURE_FILE))
        key_id, signature = str(said["key_id"]), str(said["signature"])
    except (KeyError, TypeError, ValueError):
        yield f"{SIGNATURE_FILE} cannot be read."
        return
    signers = [key for key in ring.logs if key.fingerprint == key_id]
    if not signers:
        yield f"The manifest is signed by key {key_id[:64]}, which is not among those given."
    elif not is_content_signed(content=content, signature_hex=signature, public_key=signers[0].public_key):
        yield "The signature does not fit the manifest."


def _check_members(pack: ZipFile, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was added, is missing or differs from the manifest."""
    listed = {each["path"]: each for each in manifest["files"]}
    names = Counter(pack.namelist())
    for name in sorted(names - Counter([*listed, MANIFEST_FILE, SIGNATURE_FILE])):
        yield f"{name[:200]} was added."
    if pack.comment:
        yield "The zip has a comment."
    for path, each in listed.items():
        if path not in names:
            yield f"{path} is missing."
            continue
        try:
            sha256, size_bytes = _hash(pack, path)
        except UNREADABLE:
            yield f"{path} is damaged."
            continue
        if (sha256, size_bytes) != (each["sha256"], each["size_bytes"]):
            yield f"{path} is not the file that the manifest lists."


def _check_log(
    pack: ZipFile, folder: str, ring: KeyRing, proven: Proven, signers: dict[str, None], *, hub: str
) -> Iterator[str]:
    """Yield what is wrong with a log's heads and entries; note what is proven."""
    try:
        said = json.loads(_read(pack, f"{folder}/{HEADS_NAME}"))
        earlier, head = (_check_head(said[name], ring, signers) for name in ("earlier", "head"))
        consistency = [_decode(each) for each in said["consistency"]]
    except UNREADABLE as error:
        yield f"{folder}/{HEADS_NAME}: {error}"
        return
    if not (earlier.origin == head.origin == hub):
        yield f"{folder}/{HEADS_NAME} is of another hub: {head.origin}."
    if not is_consistent(
        old_size=earlier.size, old_root=earlier.root, new_size=head.size, new_root=head.root, proof=consistency
    ):
        yield f"{folder}: the later head does not continue the earlier one."
    for number, line in enumerate(_list_lines(pack, f"{folder}/{ENTRIES_NAME}"), start=1):
        try:
            problem = _check_entry(line, head, proven)
        except UNREADABLE:
            problem = "cannot be read"
        if problem:
            yield f"{folder}/{ENTRIES_NAME}, line {number}: {problem}."


def _check_head(text: str, ring: KeyRing, signers: dict[str, None]) -> Checkpoint:
    """Return the head that a note is, once its log and enough witnesses have signed it; raises ValueError."""
    note = parse_note(text)
    head = parse_checkpoint(note.body)
    found = list_signers(note=note, keys=[*ring.logs, *ring.witnesses])
    if not any(key.kind is KeyKind.LOG and key.name == head.origin for key in found):
        raise ValueError("a head lacks the signature of its log")
    count = sum(key.kind is KeyKind.WITNESS for key in found)
    if count < ring.required:
        raise ValueError(f"{count} of {ring.required} witnesses cosigned a head")
    signers.update(dict.fromkeys(key.name for key in found))
    return head


def _check_entry(line: bytes, head: Checkpoint, proven: Proven) -> str:
    """Return what is wrong with an entry, or nothing; note what it says."""
    entry = json.loads(line)
    leaf, payload = entry["leaf"], entry["payload"]
    proof = [_decode(each) for each in entry["proof"]]
    node = hash_leaf(canonical_json(leaf))
    if not is_included(leaf=node, index=entry["index"], size=head.size, proof=proof, root=head.root):
        return "the entry is not under the head"
    if payload is not None and commit_payload(payload=payload, key=_decode(entry["key"])) != leaf["commitment"]:
        return "the payload is not what was recorded"
    proven.note(leaf, payload)
    return ""


def _decode(text: str) -> bytes:
    content = decode_base64(text)
    if content is None:
        raise ValueError("not base64")
    return content


def _hash(pack: ZipFile, path: str) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    with pack.open(path) as member:
        while chunk := member.read(CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def _read(pack: ZipFile, path: str) -> bytes:
    """Return a small file; raises KeyError where there is none, ValueError for a large one."""
    with pack.open(path) as member:
        content = member.read(MANIFEST_BYTES_MAX + 1)
    if len(content) > MANIFEST_BYTES_MAX:
        raise ValueError(f"{path} is too large")
    return content


def _list_lines(pack: ZipFile, path: str) -> Iterator[bytes]:
    with pack.open(path) as member:
        while line := member.readline(LINE_BYTES_MAX):
            yield line
