"""How far the record is, and how far outsiders see it: for whoever keeps the hub running."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from lilong.foundation.record.models import Cosignature, Entry, Head, Log
from lilong.foundation.record.queries.heads import count_required, list_witnesses


@dataclass(frozen=True, slots=True)
class RecordGrowth:
    """Leaves of the open log, entries that are not yet in it, and its newest head that enough witnesses cosigned."""

    size: int
    waiting: int
    published_size: int
    published_at: datetime | None


def measure_record() -> RecordGrowth:
    """Return how far the record is. Two queries. Cost: linear in entries that wait and heads that lack witnesses."""
    waiting = Entry.objects.filter(log=None).count()
    published = _list_published().filter(log=OuterRef("id")).order_by("-size")
    log = (
        Log.objects.filter(is_open=True)
        .annotate(
            published_size=Subquery(published.values("size")[:1]),
            published_at=Subquery(published.values("signed_at")[:1]),
        )
        .first()
    )
    return RecordGrowth(
        size=log.size if log else 0,
        waiting=waiting,
        published_size=(log.published_size or 0) if log else 0,
        published_at=log.published_at if log else None,
    )


def is_witnessed(*, subject_id: str) -> bool:
    """Say whether all entries about this subject stand under published heads by now. One query."""
    over = _list_published().filter(log=OuterRef("log"), size__gt=OuterRef("index"))
    entries = Entry.objects.filter(subject_id=subject_id, payload__isnull=False)
    covered = list(entries.annotate(covered=Exists(over)).values_list("covered", flat=True))
    return bool(covered) and all(covered)


def _list_published() -> QuerySet[Head]:
    required = count_required()
    if not required:
        return Head.objects.all()
    keys = [witness.key.text for witness in list_witnesses()]
    ours = Cosignature.objects.filter(head=OuterRef("pk"), witness_key__in=keys)
    counted = ours.order_by().values("head").annotate(count=Count("id")).values("count")
    return Head.objects.annotate(cosigned=Coalesce(Subquery(counted), Value(0))).filter(cosigned__gte=required)
