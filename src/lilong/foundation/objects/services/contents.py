"""Storing small contents that the hub has in memory, as whoever uploads them in pieces does."""

from collections.abc import Iterable
from datetime import datetime

from lilong.common.canonical import sha256_hex
from lilong.foundation.objects.queries import find_many
from lilong.foundation.objects.services.uploads import append_upload, begin_upload


def store_contents(*, organisation_id: str, contents: Iterable[bytes], now: datetime) -> None:
    """Make each of these contents an object of the organisation, unless it holds it; raises what refuses uploads."""
    named = {sha256_hex(content): content for content in contents}
    held = find_many(organisation_id=organisation_id, sha256s=list(named))
    for sha256, content in named.items():
        if sha256 not in held:
            begun = begin_upload(organisation_id=organisation_id, sha256=sha256, size_bytes=len(content), now=now)
            if not begun.complete:
                append_upload(upload_id=begun.upload_id, offset=begun.offset, chunks=[content[begun.offset :]], now=now)
