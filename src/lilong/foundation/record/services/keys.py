"""The hub's signing keys: public halves in the table, private halves in files that no backup of the database holds."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from lilong.common.errors import Conflict, InvariantBroken, NotAllowed
from lilong.common.files import create_durably
from lilong.common.ids import new_id
from lilong.common.permissions import Actor
from lilong.foundation.record.models import Key
from lilong.foundation.record.services.entries import append
from lilong.foundation.record.services.logs import open_log
from lilong.protocol.checkpoint import KeyKind, SigningKey, VerifierKey, parse_signing_key
from lilong.protocol.signatures import sign_content

SEED_BYTES = 32
OVERLAP = timedelta(days=7)


class KeyFileMissing(InvariantBroken):
    """A signing key's file is not where it belongs, or holds another key."""

    code = "record.key_file_missing"
    title = "A signing key of the hub is missing"
    next_step = "Put the file named here back from a backup; while it is missing, nothing is signed."


class KeyChanging(Conflict):
    """Somebody else rotates the key at this moment."""

    code = "record.key_changing"
    title = "The key is being changed already"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of the hub. key_id: SHA-256 of the public key; hex: what `is_content_signed` reads."""

    key_id: str
    hex: str


def sign(*, content: bytes) -> Signature:
    """Sign with the hub's newest key, which is made on first use."""
    key = load_signing_key(key=find_newest_key() or make_key(number=1), name="hub")
    return Signature(key_id=key.verifier.fingerprint, hex=sign_content(content=content, seed=key.seed))


def rotate_key(*, actor: Actor, now: datetime) -> VerifierKey:
    """Make a new signing key and record it; heads bear both signatures until the old key retires in seven days."""
    if not actor.is_operator:
        raise NotAllowed(detail="Only an operator may change the hub's keys.")
    try:
        with transaction.atomic():
            origin = open_log(now=now).origin
            old = find_newest_key() or make_key(number=1)
            new = make_key(number=old.number + 1)
            Key.objects.filter(retires_at=None).exclude(pk=new.pk).update(retires_at=now + OVERLAP)
            old_key, new_key = load_signing_key(key=old, name=origin), load_signing_key(key=new, name=origin)
            endorsement = sign_content(content=new_key.verifier.text.encode(), seed=old_key.seed)
            append(
                kind="record.key_rotated",
                subject_id=new.id,
                payload={
                    "endorsement": endorsement,
                    "new_key": new_key.verifier.text,
                    "old_key": old_key.verifier.text,
                    "rotated_by": actor.person_id,
                },
                now=now,
            )
    except IntegrityError as error:
        raise KeyChanging from error
    return new_key.verifier


def list_active_keys(*, origin: str, now: datetime) -> list[SigningKey]:
    """Return the keys that sign heads at this moment, the newest first; makes the first one when there is none."""
    with transaction.atomic():
        active = list(Key.objects.filter(Q(retires_at=None) | Q(retires_at__gt=now)).order_by("-number"))
        return [load_signing_key(key=key, name=origin) for key in active or [make_key(number=1)]]


def list_public_keys() -> list[bytes]:
    """Return the public halves of all keys that the hub ever had, also of those that a restored table has lost."""
    known = {bytes(key) for key in Key.objects.values_list("public_key", flat=True)}
    for path in _folder().glob("record-*.key"):
        known.add(parse_signing_key(pem=path.read_bytes(), name="hub", kind=KeyKind.LOG).verifier.public_key)
    return sorted(known)


def find_newest_key() -> Key | None:
    """Return the newest key, or None before the first use."""
    return Key.objects.order_by("-number").first()


def make_key(*, number: int) -> Key:
    """Make key `number`, or adopt the file of one that was made and whose row was lost."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = SigningKey(name="hub", kind=KeyKind.LOG, seed=secrets.token_bytes(SEED_BYTES))
    create_durably(path=folder / f"record-{number}.key", content=fresh.pem)
    kept = _read(number, "hub")
    with transaction.atomic():
        key = Key(id=new_id("key"), number=number, public_key=kept.verifier.public_key)
        Key.objects.bulk_create([key], ignore_conflicts=True)
        return Key.objects.get(number=number)


def load_signing_key(*, key: Key, name: str) -> SigningKey:
    """Return the private half under the name it signs as; raises KeyFileMissing."""
    found = _read(key.number, name)
    if found.verifier.public_key != bytes(key.public_key):
        raise KeyFileMissing(detail=f"record-{key.number}.key is not the key that the hub knows by this number.")
    return found


def _read(number: int, name: str) -> SigningKey:
    path = _folder() / f"record-{number}.key"
    try:
        return parse_signing_key(pem=path.read_bytes(), name=name, kind=KeyKind.LOG)
    except FileNotFoundError as error:
        raise KeyFileMissing(detail=f"{path} does not exist.") from error


def _folder() -> Path:
    return Path(settings.LILONG.home) / "keys"
