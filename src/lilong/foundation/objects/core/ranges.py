"""Which bytes of an object a Range header asks for (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

from lilong.common.errors import LilongError

_SINGLE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


class RangeUnsatisfiable(LilongError):
    """The range begins behind the end of the object; `facts` holds its size."""

    code = "objects.range_unsatisfiable"
    title = "The object has no such bytes"
    status = 416
    next_step = "Ask for a range that begins before the size named here."


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Half-open: the bytes from `start` up to but not including `end`."""

    start: int
    end: int


def parse_range(header: str, *, size_bytes: int) -> ByteRange | None:
    """Return the one range that `header` asks for, or None when the whole object is the answer.

    A header that is malformed or asks for several ranges is ignored, as the specification allows.
    Raises RangeUnsatisfiable.

    >>> parse_range("bytes=2-5", size_bytes=10), parse_range("bytes=-3", size_bytes=10)
    (ByteRange(start=2, end=6), ByteRange(start=7, end=10))
    """
    match = _SINGLE_RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        found = ByteRange(start=int(first), end=min(int(last) + 1, size_bytes) if last else size_bytes)
    else:
        found = ByteRange(start=max(size_bytes - int(last), 0), end=size_bytes)
    if found.start >= size_bytes:
        raise RangeUnsatisfiable(facts={"size_bytes": size_bytes})
    return found
