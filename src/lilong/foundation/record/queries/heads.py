"""Reading logs and heads: who may sign them, who must have cosigned them, which are shown."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, OuterRef, QuerySet, Subquery

from lilong.common.errors import Conflict, NotFound
from lilong.common.sentences import say
from lilong.foundation.record.core.witnesses import WitnessAddress, parse_witness
from lilong.foundation.record.models import Cosignature, Head, Key, Log
from lilong.protocol.checkpoint import KeyKind, VerifierKey
from lilong.protocol.evidence import KeyRing


class NotWitnessedYet(Conflict):
    """Enough witnesses have not yet cosigned a head that covers what was asked for."""

    code = "record.not_witnessed_yet"
    title = "The record is not witnessed so far yet"
    next_step = "Try again in a moment; if it lasts, the operator sees which witness does not answer."
    retryable = True


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """A head that enough witnesses cosigned. note: with all signatures."""

    log: Log
    size: int
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class HeadView:
    """The newest published head as outsiders see it. witnesses: names of who cosigned it; note: the signed text."""

    origin: str
    size: int
    signed_at: datetime
    witnesses: tuple[str, ...]
    note: str


def list_witnesses() -> list[WitnessAddress]:
    """Return the witnesses in the settings; raises WitnessSettingInvalid."""
    return [parse_witness(text) for text in settings.LILONG.witnesses]


def count_required() -> int:
    """Return how many witnesses must have cosigned a head before anybody is shown it."""
    return settings.LILONG.witnesses_required if settings.LILONG.witnesses else 0


def get_key_ring() -> KeyRing:
    """Return all keys that ever signed heads of this hub's logs, and its witnesses: what a keys file holds."""
    origins = Log.objects.order_by("number").values_list("origin", flat=True)
    keys = [bytes(key) for key in Key.objects.order_by("number").values_list("public_key", flat=True)]
    return KeyRing(
        logs=tuple(VerifierKey(name=origin, kind=KeyKind.LOG, public_key=key) for origin in origins for key in keys),
        witnesses=tuple(witness.key for witness in list_witnesses()),
        required=count_required(),
    )


def find_open_log() -> Log | None:
    """Return the log that is written to, or None before the first entry was sealed."""
    return Log.objects.filter(is_open=True).first()


def find_newest_head() -> HeadView | None:
    """Return the newest head of the open log that enough witnesses cosigned; None before the first. Three queries."""
    log = find_open_log()
    head = find_published_head(log=log) if log else None
    if log is None or head is None:
        return None
    signers = [line.split(" ")[1] for line in head.note.splitlines() if line.startswith("— ")]
    return HeadView(
        origin=log.origin,
        size=head.size,
        signed_at=head.signed_at,
        witnesses=tuple(name for name in dict.fromkeys(signers) if name != log.origin),
        note=head.note,
    )


def get_published_head(*, number: int | None) -> PublishedHead:
    """Return the newest published head of log `number`, or of the open log; raises NotFound, NotWitnessedYet."""
    log = find_open_log() if number is None else Log.objects.filter(number=number).first()
    if log is None:
        raise NotFound(detail=say("There is no such log."))
    head = find_published_head(log=log)
    if head is None:
        raise NotWitnessedYet(retry_after_s=1)
    return head


def find_published_head(*, log: Log) -> PublishedHead | None:
    """Return the newest head that enough witnesses cosigned."""
    return _first_published(log, Head.objects.filter(log=log).order_by("-size"))


def find_first_head_over(*, log: Log, index: int) -> PublishedHead | None:
    """Return the oldest published head that covers leaf `index`: later calls return the same one."""
    return _first_published(log, Head.objects.filter(log=log, size__gt=index).order_by("size"))


def find_last_head_before(*, log: Log, index: int) -> PublishedHead | None:
    """Return the newest published head that does not cover leaf `index`."""
    return _first_published(log, Head.objects.filter(log=log, size__lte=index).order_by("-size"))


def _first_published(log: Log, heads: QuerySet[Head]) -> PublishedHead | None:
    """Return the first of these heads that enough witnesses cosigned. One query, or two where there are witnesses.

    Cost: linear in the heads before it that are not cosigned.
    """
    keys, required = [witness.key.text for witness in list_witnesses()], count_required()
    signatures = Cosignature.objects.filter(witness_key__in=keys)
    if required:
        counted = signatures.filter(head=OuterRef("pk")).values("head").annotate(count=Count("pk")).values("count")
        heads = heads.alias(signed=Subquery(counted)).filter(signed__gte=required)
    head = heads.first()
    if head is None:
        return None
    lines = (
        list(signatures.filter(head=head).order_by("witness_key").values_list("line", flat=True)) if required else []
    )
    return PublishedHead(log=log, size=head.size, note=head.note + "".join(lines), signed_at=head.signed_at)
