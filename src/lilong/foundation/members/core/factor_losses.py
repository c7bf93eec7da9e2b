"""A second factor that somebody says to have lost: how far the request has come, and the code that proves the mail."""

from datetime import timedelta
from enum import StrEnum

from lilong.common.canonical import sha256_hex

CODE_LIFE = timedelta(minutes=15)
CODE_TRIES_MAX = 5


class LossState(StrEnum):
    """Asked: nothing is proven beyond the password; waiting: for an operator; granted: until the time is over."""

    ASKED = "asked"
    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    STOPPED = "stopped"
    DONE = "done"


class LossDecision(StrEnum):
    """What an operator says."""

    GRANT = "grant"
    REFUSE = "refuse"


OPEN = (LossState.ASKED, LossState.WAITING, LossState.GRANTED)
TOLD = (LossState.WAITING, LossState.GRANTED)
"""States that the person's addresses and sessions know of."""


def digest_code(*, loss_id: str, code: str) -> str:
    """Return what is stored of a code, however it was typed.

    >>> digest_code(loss_id="flo_1", code=" bc4dxz29") == digest_code(loss_id="flo_1", code="BC4D-XZ29")
    True
    """
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    return sha256_hex(f"{loss_id}:{typed}".encode())
