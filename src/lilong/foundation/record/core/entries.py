"""What may be written into the record."""

import re
from collections.abc import Mapping

from lilong.common.canonical import Json, canonical_json
from lilong.common.errors import InputInvalid
from lilong.common.sentences import say

KIND_CHARACTERS_MAX = 64
SUBJECT_CHARACTERS_MAX = 64
PAYLOAD_BYTES_MAX = 65_536

_KIND = re.compile(r"[a-z]+\.[a-z][a-z_]*")


class EntryInvalid(InputInvalid):
    """The entry cannot be recorded as it is."""

    code = "record.entry_invalid"
    title = "This cannot be recorded"
    next_step = "A kind is room.what_happened, a subject an id; put texts and names into the payload."


def render_payload(*, kind: str, subject_id: str, payload: Mapping[str, Json]) -> str:
    """Return the payload's canonical JSON; raises EntryInvalid for a kind, subject or payload that does not fit.

    >>> render_payload(kind="supermarket.quote", subject_id="quo_1", payload={"max_uc": 5})
    '{"max_uc":5}'
    """
    if len(kind) > KIND_CHARACTERS_MAX or not _KIND.fullmatch(kind):
        raise EntryInvalid(detail=say("{kind!r} is not a kind.", kind=kind[:KIND_CHARACTERS_MAX]))
    if not subject_id or len(subject_id) > SUBJECT_CHARACTERS_MAX or not subject_id.isprintable() or " " in subject_id:
        raise EntryInvalid(detail=say("{subject_id!r} is not an id.", subject_id=subject_id[:SUBJECT_CHARACTERS_MAX]))
    content = canonical_json(payload)
    if len(content) > PAYLOAD_BYTES_MAX:
        raise EntryInvalid(
            detail=say(
                "A payload has at most {most} bytes; this has {count}.",
                most=PAYLOAD_BYTES_MAX,
                count=len(content),
            )
        )
    return content.decode()
