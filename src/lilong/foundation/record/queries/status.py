"""Where the record stands, for its operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.models import Entry, Witness
from lilong.foundation.record.queries.heads import count_required, find_open_log, find_published_head, list_witnesses

TRUSTED_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class WitnessStatus:
    """What was last heard of a witness. checked_at: when it last confirmed our log; problem: since then, in words."""

    name: str
    checked_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """Where the record stands. waiting: entries without a place yet."""

    origin: str
    size: int
    published_size: int
    waiting: int
    restoring: bool
    witnesses: Sequence[WitnessStatus]


def get_status(*, actor: Actor, now: datetime) -> RecordStatus:
    """Return where the record stands; operators only."""
    if not actor.is_operator:
        raise NotAllowed(detail=say("Only an operator may see how the record is kept."))
    return read_status(now=now)


def read_status(*, now: datetime) -> RecordStatus:
    """Return where the record stands, to the operator's own process."""
    log = find_open_log()
    head = find_published_head(log=log) if log else None
    return RecordStatus(
        origin=log.origin if log else "",
        size=log.size if log else 0,
        published_size=head.size if head else 0,
        waiting=Entry.objects.filter(log=None).count(),
        restoring=is_restoring(now=now),
        witnesses=list_witness_statuses(),
    )


def is_restoring(*, now: datetime) -> bool:
    """Say whether money must not be paid out: after a restore, or while the witnesses have not confirmed our log.

    Witnesses that do not answer freeze pay-outs after ten minutes: a hub that was rolled back looks just like that.
    """
    log = find_open_log()
    if log is not None and log.number > 1 and log.restore_ended_at is None:
        return True
    return count_confirmed(now=now, within=TRUSTED_FOR) < count_required()


def count_confirmed(*, now: datetime, within: timedelta) -> int:
    """Return how many witnesses in the settings have confirmed our log within this time."""
    keys = [witness.key.text for witness in list_witnesses()]
    return Witness.objects.filter(key__in=keys, checked_at__gt=now - within).count()


def list_witness_statuses() -> list[WitnessStatus]:
    """Return what was last heard of each witness in the settings. One query."""
    known = Witness.objects.in_bulk([witness.key.text for witness in list_witnesses()])
    return [
        WitnessStatus(
            name=witness.key.name,
            checked_at=known[witness.key.text].checked_at if witness.key.text in known else None,
            problem=known[witness.key.text].problem if witness.key.text in known else "",
        )
        for witness in list_witnesses()
    ]
