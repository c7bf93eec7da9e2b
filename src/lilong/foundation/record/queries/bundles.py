"""What an outsider is handed about some subjects: opened entries, proofs and witnessed heads."""

import json
from collections.abc import Sequence

from lilong.common.canonical import Json
from lilong.common.errors import LimitReached, NotFound
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.models import Entry, Log, Payload
from lilong.foundation.record.queries.heads import NotWitnessedYet, find_first_head_over, find_last_head_before
from lilong.foundation.record.queries.trees import prove_consistency, prove_inclusion
from lilong.protocol.evidence import Proven, build_bundle

ENTRIES_MAX = 200


class BundleTooLarge(LimitReached):
    """A bundle of so many entries would not be read by anybody."""

    code = "record.bundle_too_large"
    title = "There are too many entries for one bundle"
    status = 422
    next_step = "Ask for fewer subjects."


def get_bundle(*, subject_ids: Sequence[str], actor: Actor) -> dict[str, Json]:
    """Return the entries about these subjects, opened, with the proofs that `tools/verify_record.py` checks.

    Of entries in several logs (after a restore) only those in the newest are proven; erased ones are left out. Once
    the entries are witnessed, the same entries always give the same bundle. Raises NotFound when there is nothing
    that the actor may see, NotWitnessedYet (try again) and BundleTooLarge.
    """
    entries = list(
        Entry.objects.visible_to(actor)
        .filter(subject_id__in=subject_ids, payload__isnull=False)
        .select_related("log")
        .order_by("index", "id")[: ENTRIES_MAX + 1]
    )
    if not entries:
        raise NotFound(detail=say("Nothing is recorded about this, or it was erased."))
    if len(entries) > ENTRIES_MAX:
        raise BundleTooLarge(facts={"limit": ENTRIES_MAX})
    logs = [entry.log for entry in entries if entry.log is not None]
    if len(logs) < len(entries):
        raise NotWitnessedYet(retry_after_s=1)
    newest = max(logs, key=lambda log: log.number)
    return _prove(newest, {entry.index: entry for entry in entries if entry.log == newest and entry.index is not None})


def _prove(log: Log, entries: dict[int, Entry]) -> dict[str, Json]:
    head = find_first_head_over(log=log, index=max(entries))
    if head is None:
        raise NotWitnessedYet(retry_after_s=1)
    earlier = find_last_head_before(log=log, index=min(entries)) or head
    opened = Payload.objects.in_bulk([entry.id for entry in entries.values()])
    proven = [
        Proven(
            leaf=entry.leaf,
            payload=json.loads(opened[entry.id].content),
            key=bytes(opened[entry.id].key),
            index=index,
            proof=prove_inclusion(log=log, index=index, size=head.size),
        )
        for index, entry in sorted(entries.items())
    ]
    consistency = prove_consistency(log=log, old_size=earlier.size, new_size=head.size)
    return build_bundle(entries=proven, earlier=earlier.note, head=head.note, consistency=consistency)
