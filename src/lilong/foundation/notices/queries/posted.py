"""What was posted already: so that a state that lasts is told of once."""

from collections.abc import Collection

from lilong.foundation.notices.models import Notice


def list_posted(*, kind: str, subject_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return (subject_id, occasion) of the notices of a kind about these subjects. One query."""
    if not subject_ids:
        return set()
    posted = Notice.objects.filter(kind=kind, subject_id__in=subject_ids)
    return set(posted.values_list("subject_id", "occasion"))
