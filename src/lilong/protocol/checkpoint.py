"""Signed tree heads: C2SP checkpoints in signed notes, signed by a log and cosigned by witnesses.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint and c2sp.org/tlog-cosignature (Ed25519, cosignature/v1).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lilong.common.errors import InputInvalid
from lilong.protocol.transparency import HASH_BYTES

NOTE_CHARACTERS_MAX = 65_536
NAME_CHARACTERS_MAX = 200
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_NAME = re.compile(r"[^\s+\x00-\x20\x7f]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


class NoteInvalid(InputInvalid):
    """The text is not a signed note."""

    code = "record.note_invalid"
    title = "This is not a signed note"
    next_step = "Fetch the head again; a note ends with signature lines that begin with a dash."


class CheckpointInvalid(InputInvalid):
    """The note is not a checkpoint of a log."""

    code = "record.checkpoint_invalid"
    title = "This is not a tree head"
    next_step = "Fetch the head again; it has three lines: origin, size and root."


class KeyInvalid(InputInvalid):
    """The text is not a verifier key, or its id does not belong to its name and key."""

    code = "record.key_invalid"
    title = "This is not a verifier key"
    next_step = "Copy the key again: name+id+key, in one line."


class KeyFileInvalid(InputInvalid):
    """The file does not hold an Ed25519 private key."""

    code = "record.key_file_invalid"
    title = "This is not a signing key"
    next_step = "Put the key file back from the backup; a key that is lost must be rotated, never imitated."


class SignatureWrong(InputInvalid):
    """A key that we trust did not make the signature that bears its name and id."""

    code = "record.signature_wrong"
    title = "A signature does not fit"
    next_step = "Do not trust this head; show it to the log's operator and its witnesses."


class KeyKind(IntEnum):
    """What a key signs, by the signature type of c2sp.org/signed-note."""

    LOG = 1
    WITNESS = 4


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a log's or witness's Ed25519 key. `text` is what people exchange."""

    name: str
    kind: KeyKind
    public_key: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, tell keys apart; no proof of anything."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public_key).digest()[:_KEY_ID_BYTES]

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the public key in hexadecimal, to be compared by people over another road."""
        return hashlib.sha256(self.public_key).hexdigest()

    @property
    def text(self) -> str:
        """Return name, id and key in one line."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(bytes([self.kind]) + self.public_key)}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half: `seed` is the 32 bytes of RFC 8032 and never leaves the machine that signs."""

    name: str
    kind: KeyKind
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public_key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(name=self.name, kind=self.kind, public_key=public_key)

    @property
    def pem(self) -> bytes:
        """The private key as unencrypted PKCS 8, for a file that its owner alone may read."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note: who claims to have made it, and what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """Return the line with its end."""
        return f"\u2014 {self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text that ends with a newline, and its signatures."""

    body: str
    lines: tuple[SignatureLine, ...]

    @property
    def text(self) -> str:
        """Return the whole note."""
        return self.body + "\n" + "".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of one log: after `size` leaves the tree's root is `root`."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


def encode_base64(content: bytes) -> str:
    """Return the one padded form of `content` in base64."""
    return base64.b64encode(content).decode()


def decode_base64(text: str) -> bytes | None:
    """Return the bytes that `text` says, or None unless it is their one padded form.

    >>> decode_base64("aGk="), decode_base64("aGl=")
    (b'hi', None)
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if encode_base64(content) == text else None


def parse_verifier_key(text: str) -> VerifierKey:
    """Return the key that `text` names; raises KeyInvalid unless its id belongs to it.

    >>> parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").kind.name
    'LOG'
    """
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    material = decode_base64(encoded)
    if material is None or len(material) != 1 + _KEY_BYTES or material[0] not in set(KeyKind):
        raise KeyInvalid(detail="The key is not Ed25519 of a log or a witness.")
    key = VerifierKey(name=_check_name(name), kind=KeyKind(material[0]), public_key=material[1:])
    if key.id.hex() != key_id:
        raise KeyInvalid(detail=f"The id of the key named {name[:NAME_CHARACTERS_MAX]} does not belong to it.")
    return key


def parse_signing_key(*, pem: bytes, name: str, kind: KeyKind) -> SigningKey:
    """Return the key of a file that `SigningKey.pem` filled; raises KeyFileInvalid."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileInvalid(detail="The file is not an unencrypted PEM key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileInvalid(detail="The key is not of the kind Ed25519.")
    return SigningKey(name=_check_name(name), kind=kind, seed=key.private_bytes_raw())


def sign_log_note(*, body: str, key: SigningKey) -> SignatureLine:
    """Sign a note's body as a log."""
    signature = Ed25519PrivateKey.from_private_bytes(key.seed).sign(body.encode())
    return SignatureLine(name=key.name, key_id=key.verifier.id, signature=signature)


def cosign_note(*, body: str, key: SigningKey, signed_s: int) -> SignatureLine:
    """Sign a checkpoint's body as a witness at `signed_s`, in seconds since 1970."""
    signature = Ed25519PrivateKey.from_private_bytes(key.seed).sign(_cosigned_message(body, signed_s))
    stamped = signed_s.to_bytes(_TIME_BYTES, "big") + signature
    return SignatureLine(name=key.name, key_id=key.verifier.id, signature=stamped)


def parse_note(text: str) -> SignedNote:
    """Return the note that `text` is, in exactly this form; raises NoteInvalid. It proves nothing yet."""
    if len(text) > NOTE_CHARACTERS_MAX:
        raise NoteInvalid(detail=f"A note has at most {NOTE_CHARACTERS_MAX} characters.")
    body, gap, signatures = text.rpartition("\n\n")
    if not gap or not signatures.endswith("\n") or any(mark < " " and mark != "\n" for mark in text):
        raise NoteInvalid(detail="A note is a text, an empty line and signature lines.")
    note = SignedNote(body=body + "\n", lines=tuple(_parse_line(line) for line in signatures[:-1].split("\n")))
    if note.text != text:
        raise NoteInvalid(detail="The note is not written in its one form.")
    return note


def parse_checkpoint(body: str) -> Checkpoint:
    r"""Return the checkpoint that a note's body says, without extension lines; raises CheckpointInvalid.

    >>> parse_checkpoint("hub.example/record\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").size
    0
    """
    match body.split("\n"):
        case [origin, size, encoded, ""] if origin and _SIZE.fullmatch(size):
            root = decode_base64(encoded)
            if root is not None and len(root) == HASH_BYTES:
                return Checkpoint(origin=origin, size=int(size), root=root)
        case _:
            pass
    raise CheckpointInvalid(detail="A tree head is origin, size and root in three lines.")


def list_signers(*, note: SignedNote, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """Return those of `keys` that signed the note, each once; lines of other keys are ignored.

    Raises SignatureWrong when a line bears the name and id of one of `keys` and does not verify.
    """
    known = {(key.name, key.id): key for key in keys}
    signers: dict[VerifierKey, None] = {}
    for line in note.lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not _verifies(note.body, line, key):
            raise SignatureWrong(detail=f"The signature of {key.name} is not over this text.")
        signers[key] = None
    return list(signers)


def _verifies(body: str, line: SignatureLine, key: VerifierKey) -> bool:
    message, signature = body.encode(), line.signature
    if key.kind is KeyKind.WITNESS:
        signed_s = int.from_bytes(signature[:_TIME_BYTES], "big")
        message, signature = _cosigned_message(body, signed_s), signature[_TIME_BYTES:]
    if len(signature) != _SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _cosigned_message(body: str, signed_s: int) -> bytes:
    return f"cosignature/v1\ntime {signed_s}\n{body}".encode()


def _parse_line(text: str) -> SignatureLine:
    match text.split(" "):
        case ["\u2014", name, encoded]:
            signature = decode_base64(encoded)
            if signature is not None and len(signature) > _KEY_ID_BYTES and _NAME.fullmatch(name):
                return SignatureLine(name=name, key_id=signature[:_KEY_ID_BYTES], signature=signature[_KEY_ID_BYTES:])
        case _:
            pass
    raise NoteInvalid(detail="A signature line is a dash, a name and base64.")


def _check_name(name: str) -> str:
    if len(name) > NAME_CHARACTERS_MAX or not _NAME.fullmatch(name):
        raise KeyInvalid(detail=f"A key's name has 1 to {NAME_CHARACTERS_MAX} characters, no spaces and no plus.")
    return name
