"""Links that let anyone who has one read one object for a while."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe

from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import InputInvalid, NotFound
from lilong.common.sentences import say
from lilong.foundation.objects.models import Link, Reference
from lilong.foundation.objects.queries import ObjectMissing, ObjectReader, open_reference

LINK_S_MAX = 7 * 24 * 3600


class LinkTooLong(InputInvalid):
    """A link lives at most a week."""

    code = "objects.link_too_long"
    title = "A link cannot live that long"
    next_step = f"Ask for 1 to {LINK_S_MAX} seconds, and make a new link when it has expired."


class LinkInvalid(NotFound):
    """The link is unknown, expired or revoked."""

    code = "objects.link_invalid"
    title = "This link does not work, or no longer"
    next_step = "Ask whoever gave it to you for a new one."


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link's secret token, shown once, and when it expires."""

    token: str
    expires_at: datetime


def make_link(*, organisation_id: str, sha256: str, seconds: int, now: datetime) -> NewLink:
    """Make a link to an object of this organisation; raises ObjectMissing and LinkTooLong."""
    if not 1 <= seconds <= LINK_S_MAX:
        raise LinkTooLong(facts={"limit": LINK_S_MAX, "asked": seconds})
    token, expires_at = token_urlsafe(32), now + timedelta(seconds=seconds)
    with transaction.atomic():
        found = Reference.objects.filter(organisation_id=organisation_id, stored_id=sha256)
        reference = found.select_for_update().first()
        if reference is None:
            raise ObjectMissing(detail=say("{sha256} is not there.", sha256=sha256))
        Link.objects.create(token_sha256=sha256_hex(token.encode()), reference=reference, expires_at=expires_at)
    return NewLink(token=token, expires_at=expires_at)


def revoke_links(*, organisation_id: str, sha256: str) -> int:
    """End every link to this object of this organisation; return how many there were. Raises ObjectMissing."""
    with transaction.atomic():
        if not Reference.objects.filter(organisation_id=organisation_id, stored_id=sha256).exists():
            raise ObjectMissing(detail=say("{sha256} is not there.", sha256=sha256))
        links = Link.objects.filter(reference__organisation_id=organisation_id, reference__stored_id=sha256)
        return links.delete()[0]


def open_link(*, token: str, now: datetime, offset: int = 0, end: int | None = None) -> ObjectReader:
    """Open what a link points to; raises LinkInvalid."""
    valid = Link.objects.valid_at(now).filter(token_sha256=sha256_hex(token.encode()))
    link = valid.select_related("reference__stored").first()
    if link is None:
        raise LinkInvalid
    return open_reference(reference=link.reference, offset=offset, end=end)
