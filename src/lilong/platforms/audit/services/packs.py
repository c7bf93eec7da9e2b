"""Ask for packs, and make those that wait: written to a file, stored as an object, then noted and recorded.

A pack is claimed by moving its next_at ahead. Whatever is killed where, the next try makes the same bytes: an object
that was stored and not noted is found by its digest, and one that two workers make is noted once.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from lilong.common.errors import LilongError
from lilong.common.ids import new_id
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import Sentence, dump_sentence, join_sentences, say
from lilong.foundation.ledger.public.moves import find_closed_until
from lilong.foundation.objects.public import append_upload, begin_upload, hold
from lilong.foundation.record.public import append
from lilong.platforms.audit.core.packs import CLAIMED_FOR, KEPT_FOR, PackState, check_period, find_pause
from lilong.platforms.audit.models import AuditPack
from lilong.platforms.audit.services.gathering import write_pack

CHUNK_BYTES = 1 << 20
PROBLEM_MAX = 1000

log = structlog.get_logger()


def request_pack(*, actor: Actor, period: DayPeriod, now: datetime) -> str:
    """Ask for the pack of a closed period and return its id; while one of the same period waits, that one's.

    Raises NotAllowed, PeriodOpen.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    check_period(period=period, closed_until=find_closed_until())
    waiting = AuditPack.objects.filter(
        begins_on=period.begins_on, ends_on=period.ends_on, state=PackState.REQUESTED.value
    )
    if known := waiting.first():
        return known.id
    try:
        with transaction.atomic():
            return AuditPack.objects.create(
                id=new_id("apk"),
                begins_on=period.begins_on,
                ends_on=period.ends_on,
                organisation_id=actor.organisation_id,
                requested_by=actor.person_id,
                requested_at=now,
                state=PackState.REQUESTED.value,
                next_at=now,
            ).id
    except IntegrityError:  # somebody else asked at the same moment
        return waiting.get().id


def make_packs(*, now: datetime) -> int:
    """Make every pack whose turn has come and return how many are ready now; what fails is tried again."""
    made = 0
    while pack := _claim(now):
        made += _make(pack, now=now)
    return made


def _claim(now: datetime) -> AuditPack | None:
    """Return the pack that waits longest, which nobody else takes up for CLAIMED_FOR; None where none is due."""
    due = AuditPack.objects.filter(state=PackState.REQUESTED.value, next_at__lte=now).order_by("next_at", "id")
    with transaction.atomic():
        pack = due.select_for_update(skip_locked=True).first()
        if pack is not None:
            pack.next_at, pack.tries = now + CLAIMED_FOR, pack.tries + 1
            pack.save(update_fields=["next_at", "tries"])
        return pack


def _make(pack: AuditPack, *, now: datetime) -> bool:
    period = DayPeriod(begins_on=pack.begins_on, ends_on=pack.ends_on)
    folder = Path(settings.LILONG.home) / "run"
    folder.mkdir(exist_ok=True)
    try:
        with TemporaryFile(dir=folder) as file:
            write_pack(file=file, period=period, now=now)
            sha256, size_bytes = _store(pack, file, now=now)
    except LilongError as error:
        rest = join_sentences(error.detail, error.next_step)
        _note_problem(pack, say("{title}. {rest}", title=Sentence(error.title), rest=rest), now=now)
        return False
    except Exception:  # the loop goes on with other packs; the log has the reason
        log.exception("audit_pack_failed", pack=pack.id)
        _note_problem(pack, say("It failed for a reason that the hub's log has."), now=now)
        return False
    return _finish(pack, sha256=sha256, size_bytes=size_bytes, now=now)


def _store(pack: AuditPack, file: IO[bytes], *, now: datetime) -> tuple[str, int]:
    """Make the file an object of the hub's organisation."""
    file.seek(0)
    hashed = hashlib.sha256()
    for chunk in _read(file):
        hashed.update(chunk)
    digest, size_bytes = hashed.hexdigest(), file.tell()
    begun = begin_upload(organisation_id=pack.organisation_id, sha256=digest, size_bytes=size_bytes, now=now)
    if not begun.complete:
        file.seek(begun.offset)
        append_upload(upload_id=begun.upload_id, offset=begun.offset, chunks=_read(file), now=now)
    return digest, size_bytes


def _read(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _finish(pack: AuditPack, *, sha256: str, size_bytes: int, now: datetime) -> bool:
    """Note the pack as ready, keep its object and record who asked for it; another worker may have done it."""
    expires_at = now + KEPT_FOR
    with transaction.atomic():
        noted = AuditPack.objects.filter(pk=pack.pk, state=PackState.REQUESTED.value).update(
            state=PackState.READY.value,
            problem="",
            said=None,
            sha256=sha256,
            size_bytes=size_bytes,
            ready_at=now,
            expires_at=expires_at,
        )
        if noted:
            hold(organisation_id=pack.organisation_id, sha256s=[sha256], holder=pack.id, until=expires_at, now=now)
            append(
                kind="audit.pack_made",
                subject_id=pack.id,
                payload={
                    "begins_on": pack.begins_on.isoformat(),
                    "ends_on": pack.ends_on.isoformat(),
                    "requested_by": pack.requested_by,
                    "sha256": sha256,
                    "size_bytes": size_bytes,
                },
                now=now,
            )
    return bool(noted)


def _note_problem(pack: AuditPack, problem: str, *, now: datetime) -> None:
    with transaction.atomic():
        AuditPack.objects.filter(pk=pack.pk, state=PackState.REQUESTED.value).update(
            problem=problem[:PROBLEM_MAX], said=dump_sentence(problem), next_at=now + find_pause(tries=pack.tries)
        )
