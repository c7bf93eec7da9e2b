"""Answers kept so that a repeated POST acts once: one of two requests with one key acts, the other gets its answer.

The claim of a key, the effect and the answer are one transaction, so nobody ever reads a claim without an answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction

from lilong.common.errors import Conflict
from lilong.foundation.outbox.models import KeptAnswer

KEEP_S = 24 * 3600


class KeyReused(Conflict):
    """The key was used for another request."""

    code = "idempotency.key_reused"
    title = "This Idempotency-Key belongs to another request"
    next_step = "Send a new key with a new request, and the same key only with the very same one."


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The HTTP status and the opaque body of an answer that was given before."""

    status: int
    body: bytes


def remember(*, organisation_id: str, route: str, key: str, request_sha256: str, now: datetime) -> StoredAnswer | None:
    """Return the answer kept for this key, or claim the key and return None: then act and call `store_answer`.

    Call it in the transaction of the effect: the claim vanishes with it when it fails, and a second request with the
    key waits until the first has ended. Raises KeyReused when the request differs. `organisation_id` is text that says
    who asks.
    """
    digest = digest_key(organisation_id=organisation_id, route=route, key=key)
    expires_at = now + timedelta(seconds=KEEP_S)
    kept = KeptAnswer.objects.select_for_update().filter(id=digest).first()
    if kept is None:
        kept = _insert_claim(digest, request_sha256, expires_at=expires_at)
        if kept is None:
            return None
    if kept.expires_at > now:
        if kept.request_sha256 != request_sha256:
            raise KeyReused
        if kept.status is not None:
            return StoredAnswer(status=kept.status, body=bytes(kept.body))
    kept.request_sha256, kept.expires_at = request_sha256, expires_at
    kept.status, kept.body = None, b""
    kept.save()
    return None


def store_answer(*, organisation_id: str, route: str, key: str, answer: StoredAnswer) -> None:
    """Keep the answer to the request that claimed this key, for a day from its claim."""
    claim = KeptAnswer.objects.filter(id=digest_key(organisation_id=organisation_id, route=route, key=key), status=None)
    claim.update(status=answer.status, body=answer.body)


def digest_key(*, organisation_id: str, route: str, key: str) -> str:
    """Return the one name of a key of somebody for one route."""
    return sha256(f"{organisation_id}\0{route}\0{key}".encode()).hexdigest()


def _insert_claim(digest: str, request_sha256: str, *, expires_at: datetime) -> KeptAnswer | None:
    """Insert the claim and return None, or return the row of whoever committed it meanwhile."""
    try:
        with transaction.atomic():
            KeptAnswer.objects.create(id=digest, request_sha256=request_sha256, expires_at=expires_at)
    except IntegrityError:
        return KeptAnswer.objects.select_for_update().get(id=digest)
    return None
