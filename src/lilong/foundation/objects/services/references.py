"""Keep references alive, and let go of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.common.sentences import say
from lilong.foundation.objects.models import Hold, Link, Reference, StoredObject
from lilong.foundation.objects.queries import ObjectMissing
from lilong.foundation.objects.services.uploads import change_use, lock_use

RENEW_AFTER_S = 3600


class ObjectHeld(Conflict):
    """Something still needs the object; `facts` names one holder."""

    code = "objects.held"
    title = "Something still needs this object"
    next_step = "Wait until the holder named here is done with it."


def hold(*, organisation_id: str, sha256s: Sequence[str], holder: str, until: datetime | None, now: datetime) -> None:
    """Keep these objects of the organisation until a moment, or until `drop_hold`, for the reason named `holder`.

    All or none; again with the same holder it sets `until` anew. Raises ObjectMissing naming what is not there.
    """
    wanted = set(sha256s)
    with transaction.atomic():
        mine = Reference.objects.filter(organisation_id=organisation_id, stored_id__in=wanted)
        references = list(mine.select_for_update().order_by("id"))
        missing = wanted - {reference.stored_id for reference in references}
        if missing:
            raise ObjectMissing(
                detail=say("Not there: {missing}", missing=", ".join(sorted(missing)[:10])),
                facts={"missing": len(missing)},
            )
        mine.update(used_at=now)
        holds = [
            Hold(id=new_id("hold"), holder=holder, reference=reference, until=until, dropped=False)
            for reference in references
        ]
        Hold.objects.bulk_create(
            holds, update_conflicts=True, unique_fields=["holder", "reference"], update_fields=["until", "dropped"]
        )


def drop_hold(*, holder: str) -> None:
    """End all holds of this name; the retention of their objects begins with the next reconcile."""
    with transaction.atomic():
        Hold.objects.filter(holder=holder, dropped=False).update(dropped=True)


def renew(*, organisation_id: str, sha256s: Sequence[str], now: datetime) -> None:
    """Let the retention of these objects begin anew, because somebody asked for them. Mostly a read."""
    stale = Reference.objects.filter(
        organisation_id=organisation_id,
        stored_id__in=set(sha256s),
        used_at__lt=now - timedelta(seconds=RENEW_AFTER_S),
    )
    if stale.exists():
        with transaction.atomic():
            stale.update(used_at=now)


def delete_object(*, organisation_id: str, sha256: str, now: datetime) -> None:
    """Give up the organisation's reference and its links; raises ObjectMissing and ObjectHeld."""
    with transaction.atomic():
        found = Reference.objects.filter(organisation_id=organisation_id, stored_id=sha256)
        if not end_references(references=found, organisation_id=organisation_id, now=now):
            reference = found.first()
            if reference is None:
                raise ObjectMissing(detail=say("{sha256} is not there.", sha256=sha256))
            holder = live_holds(now=now).filter(reference=reference).values_list("holder", flat=True).first()
            raise ObjectHeld(facts={"holder": holder or ""})


def live_holds(*, now: datetime) -> QuerySet[Hold]:
    """Return the holds that keep something alive at this moment."""
    return Hold.objects.filter(Q(until=None) | Q(until__gt=now), dropped=False)


def end_references(*, references: QuerySet[Reference], organisation_id: str, now: datetime) -> int:
    """Delete those of one organisation's `references` that nothing holds; return how many. In a transaction.

    The bytes stay until reconcile finds that nobody has referred to them for long enough.
    """
    use = lock_use(organisation_id=organisation_id)
    locked = list(references.filter(organisation_id=organisation_id).select_for_update().order_by("id"))
    held = set(live_holds(now=now).filter(reference__in=locked).values_list("reference_id", flat=True))
    ending = [reference for reference in locked if reference.pk not in held]
    digests = [reference.stored_id for reference in ending]
    stored = list(StoredObject.objects.filter(sha256__in=digests).select_for_update().order_by("sha256"))
    Hold.objects.filter(reference__in=ending).delete()
    Link.objects.filter(reference__in=ending).delete()
    Reference.objects.filter(id__in=[reference.pk for reference in ending]).delete()
    wanted = set(Reference.objects.filter(stored__in=stored).values_list("stored_id", flat=True))
    StoredObject.objects.filter(sha256__in=set(digests) - wanted).update(unreferenced_at=now)
    if ending:
        change_use(use=use, by_bytes=-sum(row.size_bytes for row in stored))
    return len(ending)
