"""The hub's signature over content that is no tree head, such as a quote."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# No head can begin like this, so nothing that the hub signs for others can pass for a head.
PREFIX = b"lilong signed content v1\n"


def sign_content(*, content: bytes, seed: bytes) -> str:
    """Return the Ed25519 signature in hexadecimal, over a fixed prefix and `content`."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(PREFIX + content).hex()


def is_content_signed(*, content: bytes, signature_hex: str, public_key: bytes) -> bool:
    """Say whether `sign_content` made this signature with the private half of `public_key`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(signature_hex), PREFIX + content)
    except (InvalidSignature, ValueError):
        return False
    return True
