"""What the record hands to an outsider: leaves without persons or texts, bundles with proofs, and keys files."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.canonical import Json, canonical_json
from lilong.common.errors import Conflict, InputInvalid
from lilong.common.time import format_moment
from lilong.protocol.checkpoint import VerifierKey, encode_base64, parse_verifier_key
from lilong.protocol.exports import render_json
from lilong.protocol.transparency import hash_leaf

COMMITMENT_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry of the log as the tree holds it.

    kind: what was decided; subject_id: an opaque id; commitment: hexadecimal HMAC of a payload kept elsewhere.
    """

    kind: str
    recorded_at: datetime
    subject_id: str
    commitment: str

    @property
    def fields(self) -> dict[str, Json]:
        """Return the members of the leaf as everybody may see them."""
        return {
            "commitment": self.commitment,
            "subject": self.subject_id,
            "time": format_moment(self.recorded_at),
            "type": self.kind,
        }

    @property
    def content(self) -> bytes:
        """Return the bytes that are hashed into the tree."""
        return canonical_json(self.fields)

    @property
    def hash(self) -> bytes:
        """Return the leaf's hash in the tree."""
        return hash_leaf(self.content)


def commit_payload(*, payload: Mapping[str, Json], key: bytes) -> str:
    """Return the commitment to `payload`: HMAC-SHA256 under the entry's own random key, in hexadecimal.

    Once payload and key are erased, the commitment tells nothing, not even to one who guesses the payload.

    >>> commit_payload(payload={"charged_uc": 1}, key=bytes(32))[:8]
    '93238a07'
    """
    if len(key) != COMMITMENT_KEY_BYTES:
        raise ValueError(f"A commitment key has {COMMITMENT_KEY_BYTES} bytes.")
    return hmac.new(key, canonical_json(payload), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Proven:
    """One entry with its payload opened and the proof that it stands at `index` under the bundle's head."""

    leaf: Leaf
    payload: Mapping[str, Json]
    key: bytes
    index: int
    proof: Sequence[bytes]


def build_bundle(
    *, entries: Sequence[Proven], earlier: str, head: str, consistency: Sequence[bytes]
) -> dict[str, Json]:
    """Return the bundle that `tools/verify_record.py` reads; every member of it is checked there.

    earlier, head: signed and cosigned heads, the first from before the entries where there is one, else the same;
    consistency: the proof that `head` continues `earlier`.
    """
    return {
        **build_heads(earlier=earlier, head=head, consistency=consistency),
        "entries": [
            build_entry(leaf=entry.leaf, payload=entry.payload, key=entry.key, index=entry.index, proof=entry.proof)
            for entry in entries
        ],
    }


def build_heads(*, earlier: str, head: str, consistency: Sequence[bytes]) -> dict[str, Json]:
    """Return two heads with the proof that the second continues the first."""
    return {"consistency": [encode_base64(node) for node in consistency], "earlier": earlier, "head": head}


def build_entry(
    *, leaf: Leaf, payload: Mapping[str, Json] | None, key: bytes | None, index: int, proof: Sequence[bytes]
) -> dict[str, Json]:
    """Return an entry with the proof of its place; payload and key are None for one that was erased."""
    return {
        "index": index,
        "key": None if key is None else encode_base64(key),
        "leaf": leaf.fields,
        "payload": payload,
        "proof": [encode_base64(node) for node in proof],
    }


class KeyRingInvalid(InputInvalid):
    """The text is no keys file."""

    code = "record.key_ring_invalid"
    title = "This is not a keys file"
    next_step = "Take the one that the operator prints by `lilong record keys`, over a road the hub does not control."


class KeyRingIncomplete(Conflict):
    """The keys would verify nothing: a log's key is missing, or fewer witnesses are known than must cosign."""

    code = "record.key_ring_incomplete"
    title = "There are not enough keys for a keys file"
    next_step = "Set `witnesses` in the hub's settings, at least as many as `witnesses_required`."


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Whom a verifier trusts: the log's keys, the witnesses' keys and how many witnesses must have cosigned."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...]
    required: int

    def render(self) -> bytes:
        """Return the keys file; raises KeyRingIncomplete when no head could ever satisfy it."""
        if not self.logs or not 1 <= self.required <= len(self.witnesses):
            raise KeyRingIncomplete(detail=f"{len(self.witnesses)} witnesses are set, {self.required} must cosign.")
        return render_json(
            {
                "logs": [key.text for key in self.logs],
                "required": self.required,
                "witnesses": [key.text for key in self.witnesses],
            }
        )


def read_key_ring(content: bytes) -> KeyRing:
    """Return whom a keys file says to trust; raises KeyRingInvalid, KeyInvalid."""
    try:
        said = json.loads(content)
        logs, witnesses, required = said["logs"], said["witnesses"], said["required"]
    except (ValueError, TypeError, KeyError) as error:
        raise KeyRingInvalid(detail=str(error)) from error
    if not isinstance(required, int) or not all(isinstance(each, list) for each in (logs, witnesses)) or not logs:
        raise KeyRingInvalid
    return KeyRing(
        logs=tuple(parse_verifier_key(str(each)) for each in logs),
        witnesses=tuple(parse_verifier_key(str(each)) for each in witnesses),
        required=required,
    )
