"""Answers kept so that a repeated POST acts once: one of two requests with one key acts, the other gets its answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import IntegrityError, transaction

from lilong.common.errors import Conflict
from lilong.foundation.outbox.models import KeptAnswer

KEEP_S = 24 * 3600
CLAIM_S = 120


class KeyReused(Conflict):
    """The key was used for another request."""

    code = "idempotency.key_reused"
    title = "This Idempotency-Key belongs to another request"
    next_step = "Send a new key with a new request, and the same key only with the very same one."


class AnswerPending(Conflict):
    """The first request with this key is still acting."""

    code = "idempotency.pending"
    title = "The same request is still being answered"
    next_step = "Send it again with the same key after the time in Retry-After."
    retryable = True


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The HTTP status and the opaque body of an answer that was given before."""

    status: int
    body: bytes


def remember(*, organisation_id: str, route: str, key: str, request_sha256: str, now: datetime) -> StoredAnswer | None:
    """Return the answer kept for this key, or claim the key and return None: then act and call `store_answer`.

    In the transaction of the effect the claim vanishes with it when it fails; committed before, the claim expires
    after two minutes, and only then may somebody act again. Raises KeyReused when the request differs, AnswerPending
    while another claim holds. `organisation_id` is text that says who asks.
    """
    digest = _digest(organisation_id, route, key)
    claim_s, keep_s = timedelta(seconds=CLAIM_S), timedelta(seconds=KEEP_S)
    with transaction.atomic():
        kept = KeptAnswer.objects.select_for_update().filter(id=digest).first()
        if kept is None:
            kept = _insert_claim(digest, request_sha256, claimed_until=now + claim_s, expires_at=now + keep_s)
            if kept is None:
                return None
        if kept.expires_at > now:
            if kept.request_sha256 != request_sha256:
                raise KeyReused
            if kept.status is not None:
                return StoredAnswer(status=kept.status, body=bytes(kept.body))
            if kept.claimed_until > now:
                raise AnswerPending(retry_after_s=max(1, int((kept.claimed_until - now).total_seconds())))
        kept.request_sha256 = request_sha256
        kept.status, kept.body = None, b""
        kept.claimed_until, kept.expires_at = now + claim_s, now + keep_s
        kept.save()
    return None


def store_answer(*, organisation_id: str, route: str, key: str, answer: StoredAnswer) -> None:
    """Keep the answer to the request that claimed this key, for a day from its claim."""
    with transaction.atomic():
        claim = KeptAnswer.objects.filter(id=_digest(organisation_id, route, key), status=None)
        claim.update(status=answer.status, body=answer.body)


def drop_claim(*, organisation_id: str, route: str, key: str) -> None:
    """Free a key whose request failed without effect, so that it may be sent again at once."""
    with transaction.atomic():
        KeptAnswer.objects.filter(id=_digest(organisation_id, route, key), status=None).delete()


def _insert_claim(
    digest: str, request_sha256: str, *, claimed_until: datetime, expires_at: datetime
) -> KeptAnswer | None:
    """Insert the claim and return None, or return the row of whoever committed it meanwhile."""
    try:
        with transaction.atomic():
            KeptAnswer.objects.create(
                id=digest, request_sha256=request_sha256, claimed_until=claimed_until, expires_at=expires_at
            )
    except IntegrityError:
        return KeptAnswer.objects.select_for_update().get(id=digest)
    return None


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()
