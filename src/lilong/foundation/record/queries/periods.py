"""What an auditor is handed of a period: entries of some kinds with proofs, and the heads at both ends; streamed."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db.models import Max, Min, Q, QuerySet

from lilong.common.canonical import Json
from lilong.common.sentences import say
from lilong.foundation.record.models import Entry, Log, Payload
from lilong.foundation.record.queries.heads import NotWitnessedYet, find_first_head_over, find_last_head_before
from lilong.foundation.record.queries.trees import prove_consistency, prove_inclusion
from lilong.protocol.evidence import build_entry, build_heads
from lilong.protocol.exports import render_json

ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ProvenPeriod:
    """A log's part of a period. heads: the heads at both ends and the proof between them.

    entries: yields a line of JSON for each entry with its proof under the later head.
    """

    number: int
    origin: str
    heads: dict[str, Json]
    entries: Iterator[bytes]


def prove_period(
    *, begin: datetime, end: datetime, kinds: Collection[str], earlier_ids: Sequence[str], entry_ids: Sequence[str]
) -> list[ProvenPeriod]:
    """Return, by log, the entries of `kinds` that were recorded for `begin` <= moment < `end`, and some others.

    earlier_ids: subjects of which those from before `begin` are proven, too; entry_ids: others, of whatever moment.
    The earlier head is the last one from before the period, else the same as the later; that is the first one over all
    of it, so later calls return the same. An entry that was erased has its leaf and proof alone. Raises
    NotWitnessedYet. Cost: linear in all entries for the ends, and a query for each entry that is proven.
    """
    within = Q(recorded_at__gte=begin, recorded_at__lt=end)
    wanted = (within & Q(kind__in=kinds)) | Q(pk__in=entry_ids)
    cited = Entry.objects.filter(wanted | Q(kind__in=kinds, subject_id__in=earlier_ids, recorded_at__lt=begin))
    if cited.filter(log=None).exists():
        raise NotWitnessedYet(detail=say("Some entries are not sealed yet."), retry_after_s=1)
    logs = Log.objects.filter(Q(entry__in=cited) | Q(entry__in=Entry.objects.filter(within))).distinct()
    return [_prove(log, cited.filter(log=log), within) for log in logs.order_by("number")]


def _prove(log: Log, cited: QuerySet[Entry], within: Q) -> ProvenPeriod:
    ends = Entry.objects.filter(within, log=log).aggregate(first=Min("index"), last=Max("index"))
    last_cited = cited.aggregate(last=Max("index"))["last"]
    last = max(index for index in (ends["last"], last_cited) if index is not None)
    head = find_first_head_over(log=log, index=last)
    if head is None:
        raise NotWitnessedYet(retry_after_s=1)
    first = last if ends["first"] is None else ends["first"]
    earlier = find_last_head_before(log=log, index=first) or head
    consistency = prove_consistency(log=log, old_size=earlier.size, new_size=head.size)
    return ProvenPeriod(
        number=log.number,
        origin=log.origin,
        heads=build_heads(earlier=earlier.note, head=head.note, consistency=consistency),
        entries=map(
            partial(_write, log, head.size),
            cited.order_by("index").select_related("payload").iterator(chunk_size=ROWS_AT_ONCE),
        ),
    )


def _write(log: Log, size: int, entry: Entry) -> bytes:
    payload: Payload | None = getattr(entry, "payload", None)
    index = entry.index or 0
    return render_json(
        build_entry(
            leaf=entry.leaf,
            payload=json.loads(payload.content) if payload else None,
            key=bytes(payload.key) if payload else None,
            index=index,
            proof=prove_inclusion(log=log, index=index, size=size),
        )
    )
