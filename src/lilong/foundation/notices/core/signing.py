"""Signatures of webhooks, as Standard Webhooks 1.0 says (standardwebhooks.com, "Signature scheme")."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every secret, itself none
SECRET_BYTES = 32


def format_secret(key: bytes) -> str:
    """Return a secret as people copy it.

    >>> format_secret(b"123456789012345678901234")
    'whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0'
    """
    return SECRET_PREFIX + base64.b64encode(key).decode()


def sign_delivery(*, delivery_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a delivery, with one signature for each secret: while one is rotated, two hold."""
    seconds = int(at.timestamp())
    content = f"{delivery_id}.{seconds}.".encode() + body
    signatures = [
        hmac.new(base64.b64decode(secret.removeprefix(SECRET_PREFIX)), content, hashlib.sha256).digest()
        for secret in secrets
    ]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
    }
