"""The hub's signing keys: public halves in the table, private halves in files that no backup of the database holds."""

import secrets
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from lilong.common.errors import InvariantBroken
from lilong.common.files import create_durably
from lilong.common.ids import new_id
from lilong.foundation.record.models import Key
from lilong.protocol.checkpoint import KeyKind, SigningKey, parse_signing_key

SEED_BYTES = 32


class KeyFileMissing(InvariantBroken):
    """A signing key's file is not where it belongs, or holds another key."""

    code = "record.key_file_missing"
    title = "A signing key of the hub is missing"
    next_step = "Put the file named here back from a backup; while it is missing, nothing is signed."


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
