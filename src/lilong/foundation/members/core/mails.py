"""How long a mail of signing in is worth sending, and what is kept of the answer of a server that refuses one."""

import re
from datetime import timedelta

from lilong.common.masking import hide_mailboxes

KEPT_FOR = timedelta(hours=24)
LATE_AFTER = timedelta(minutes=5)
REFUSALS_KEPT_FOR = timedelta(days=30)
PERMANENT = range(500, 600)
ANSWER_MAX = 500

_PIECE = re.compile(r"[A-Za-z0-9]{4,}")
_STATUS = re.compile(r"[245](\.\d{1,3}){2}(?= |$)")
"""Why, in a word of RFC 3463."""


def read_status(*, code: int, answer: str) -> str:
    """Return the numbers of a server's answer, which quote nothing.

    >>> read_status(code=550, answer="5.1.1 <ada@example.org>: no such person")
    '550 5.1.1'
    """
    status = _STATUS.match(answer)
    return f"{code} {status[0]}" if status else str(code)


def quote_answer(*, code: int, answer: str, mail: str) -> str:
    """Return what a server answered to a mail, without people's addresses.

    Where it quotes what may be a code or a key of the mail, its numbers alone.

    >>> quote_answer(code=550, answer="5.1.1 <ada@example.org>: no such person", mail="Your code is BCDF-GHJK.")
    '550 5.1.1 <…@example.org>: no such person'
    >>> quote_answer(code=554, answer="5.7.1 spam: 'code=bcdf-ghjk'", mail="Your code is BCDF-GHJK.")
    '554 5.7.1'
    """
    hidden = hide_mailboxes(answer)
    said = hidden.casefold()
    pieces = (piece for piece in _PIECE.findall(hide_mailboxes(mail)) if not piece[1:].islower())
    if any(piece.casefold() in said for piece in pieces):
        return read_status(code=code, answer=answer)
    return f"{code} {hidden}"[:ANSWER_MAX]
