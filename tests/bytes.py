"""Objects for tests: brought in through the door, in as many pieces as wanted."""

import hashlib
import os
from datetime import UTC, datetime

from lilong.foundation.objects.public import append_upload, begin_upload, open_object

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORGANISATION = "org_1"


def digest(content):
    """Return the name of `content` as an object."""
    return hashlib.sha256(content).hexdigest()


def fresh(size_bytes):
    """Return bytes that no other test has."""
    return os.urandom(size_bytes)


def fresh_document(size_bytes):
    """Return such bytes that a browser would take for a PDF."""
    return b"%PDF-" + fresh(size_bytes - 5)


def begin(content, *, organisation_id=ORGANISATION, now=NOW):
    """Begin the upload of `content`."""
    return begin_upload(organisation_id=organisation_id, sha256=digest(content), size_bytes=len(content), now=now)


def upload(content, *, organisation_id=ORGANISATION, now=NOW):
    """Bring `content` in, in one piece, and return its digest."""
    begun = begin(content, organisation_id=organisation_id, now=now)
    if not begun.complete:
        append_upload(upload_id=begun.upload_id, offset=begun.offset, chunks=[content[begun.offset :]], now=now)
    return digest(content)


def read(sha256, *, organisation_id=ORGANISATION, offset=0, end=None):
    """Return the bytes of an object of the organisation."""
    return b"".join(open_object(organisation_id=organisation_id, sha256=sha256, offset=offset, end=end).chunks)
