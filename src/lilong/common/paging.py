"""Pages of a list: a bounded number of items and an opaque cursor to the next ones."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lilong.common.errors import InputInvalid
from lilong.common.sentences import say

PAGE_LIMIT_DEFAULT = 50
PAGE_LIMIT_MAX = 200

T = TypeVar("T")


class CursorInvalid(InputInvalid):
    """The cursor was not made by this list."""

    code = "paging.cursor_invalid"
    title = "This is not a cursor of this list"
    next_step = "Start again without a cursor."


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items of one page and the cursor of the next page, or None at the end."""

    items: Sequence[T]
    next_cursor: str | None


def encode_cursor(last_key: str) -> str:
    """Return the opaque cursor that continues after the item with `last_key`.

    >>> decode_cursor(encode_cursor("run_1"))
    'run_1'
    """
    return base64.urlsafe_b64encode(last_key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the key after which the page begins; raises CursorInvalid."""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise CursorInvalid(detail=say("{cursor!r} is not a cursor.", cursor=cursor[:80])) from error
    if not key.isprintable():
        raise CursorInvalid(detail=say("{cursor!r} is not a cursor.", cursor=cursor[:80]))
    return key
