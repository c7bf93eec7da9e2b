"""Public ids: a prefix that says what it is and a UUIDv7 (RFC 9562, section 5.7), so that text order is time order."""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"([a-z]{2,5})_([0-9a-f]{32})")


def new_id(prefix: str) -> str:
    """Return a fresh id such as `run_0197…`: sortable by creation to the millisecond, 74 random bits.

    >>> is_id(new_id("run"), prefix="run")
    True
    """
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (noise >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | noise & (1 << 62) - 1
    return f"{prefix}_{UUID(int=value).hex}"


def is_id(text: str, *, prefix: str) -> bool:
    """Return whether `text` has the form of an id with this prefix.

    >>> is_id("run_1", prefix="run")
    False
    """
    match = _ID.fullmatch(text)
    return match is not None and match[1] == prefix


def read_moment(public_id: str) -> datetime:
    """Return when an id was made, to the millisecond.

    >>> read_moment("run_0197f0a1b2c37000800000000000000f").isoformat(timespec="milliseconds")
    '2025-07-09T19:20:18.371+00:00'
    """
    milliseconds = UUID(hex=public_id.rpartition("_")[2]).int >> 80
    return _EPOCH + timedelta(milliseconds=milliseconds)
