"""Signing with the hub's keys, and changing them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from lilong.common.errors import Conflict, NotAllowed
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.models import Key
from lilong.foundation.record.services.entries import append
from lilong.foundation.record.services.key_files import find_newest_key, load_signing_key, make_key
from lilong.foundation.record.services.logs import open_log
from lilong.protocol.checkpoint import VerifierKey
from lilong.protocol.signatures import sign_content

OVERLAP = timedelta(days=7)


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
        raise NotAllowed(detail=say("Only an operator may change the hub's keys."))
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
