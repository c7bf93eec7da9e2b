"""Byte roads of an attempt: inputs to the agent, outputs to the hub. An agent reaches only what its attempt needs."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict, LimitReached, NotFound
from lilong.common.ids import new_id
from lilong.foundation.objects.public import (
    ObjectReader,
    append_upload,
    begin_upload,
    find_many,
    hold,
    open_object,
)
from lilong.foundation.runs.models import Attempt, AttemptObject
from lilong.foundation.runs.queries.manifests import is_readable
from lilong.foundation.runs.services.logs import AttemptMissing
from lilong.protocol.spec import RunSpec

MIB = 1024 * 1024
OBJECTS_PER_ATTEMPT_MAX = 100_000


class InputForeign(NotFound):
    """The object is none of the attempt's inputs, or the attempt needs no inputs any more."""

    code = "runs.input_foreign"
    title = "This object is no input of the attempt"
    next_step = "Ask only for what the spec, its manifests and the checkpoint name, while the attempt lives."


class OutputTooLarge(LimitReached):
    """An attempt's objects are bounded by the scratch disk that its spec asks for, and in number."""

    code = "runs.output_too_large"
    title = "The attempt may not upload so much"
    next_step = "Ask for more `resources.disk_mib`, or keep less."


class RunClosed(Conflict):
    """The run is over and what it made was kept; nothing is added any more."""

    code = "runs.closed"
    title = "This run is closed"
    next_step = "Leave these outputs: the hub has closed the run without them."


class OutputOffsetWrong(Conflict):
    """The bytes do not follow what is stored; `facts` says from where to send."""

    code = "runs.output_offset"
    title = "The upload goes on elsewhere"
    next_step = "Send it from `expected_offset`."


def find_offset(*, pool_id: str, attempt_id: str, sha256: str, now: datetime) -> tuple[int, int] | None:
    """Return how many bytes of an output the hub has, and of how many; None when there is nothing yet.

    What the organisation holds already needs no upload: it is held for the run at once.
    """
    attempt = _get_attempt(pool_id, attempt_id)
    row = AttemptObject.objects.filter(attempt=attempt, sha256=sha256).first()
    if row is not None and row.kept:
        return row.size_bytes, row.size_bytes
    organisation_id = attempt.run.organisation_id
    found = find_many(organisation_id=organisation_id, sha256s=[sha256]).get(sha256)
    if found is not None:
        _keep(attempt, sha256=sha256, size_bytes=found.size_bytes, now=now)
        return found.size_bytes, found.size_bytes
    if row is None:
        return None
    upload = begin_upload(organisation_id=organisation_id, sha256=sha256, size_bytes=row.size_bytes, now=now)
    return upload.offset, upload.size_bytes


def put_output(
    *,
    pool_id: str,
    attempt_id: str,
    sha256: str,
    offset: int,
    size_bytes: int,
    chunks: Iterable[bytes],
    now: datetime,
) -> int:
    """Add bytes to an output and return how many the hub has; with the last one it is held for the run.

    Counts against the organisation's quota. Raises AttemptMissing, RunClosed, OutputTooLarge,
    OutputOffsetWrong and what uploads raise.
    """
    attempt = _get_attempt(pool_id, attempt_id)
    if attempt.run.kept_at is not None:
        raise RunClosed
    limit = RunSpec.model_validate(attempt.run.spec).resources.disk_mib * MIB
    if size_bytes > limit:
        raise OutputTooLarge(facts={"limit": limit, "asked": size_bytes})
    with transaction.atomic():
        mine = AttemptObject.objects.filter(attempt=attempt)
        if not mine.filter(sha256=sha256).exists():
            if mine.count() >= OBJECTS_PER_ATTEMPT_MAX:
                raise OutputTooLarge(facts={"limit": OBJECTS_PER_ATTEMPT_MAX})
            _enter(attempt, sha256=sha256, size_bytes=size_bytes, kept=False)
    upload = begin_upload(organisation_id=attempt.run.organisation_id, sha256=sha256, size_bytes=size_bytes, now=now)
    if upload.complete:
        stored = upload.size_bytes
    elif upload.offset != offset:
        raise OutputOffsetWrong(facts={"expected_offset": upload.offset})
    else:
        stored = append_upload(upload_id=upload.upload_id, offset=offset, chunks=chunks, now=now)
    if stored == size_bytes:
        _keep(attempt, sha256=sha256, size_bytes=size_bytes, now=now)
    return stored


def open_input(*, pool_id: str, attempt_id: str, sha256: str, offset: int, end: int | None) -> ObjectReader:
    """Open an input of a live attempt from `offset` up to `end`; raises AttemptMissing and InputForeign."""
    attempt = _get_attempt(pool_id, attempt_id)
    if attempt.settled_at is not None or not is_readable(attempt=attempt, sha256=sha256):
        raise InputForeign
    return open_object(organisation_id=attempt.run.organisation_id, sha256=sha256, offset=offset, end=end)


def _get_attempt(pool_id: str, attempt_id: str) -> Attempt:
    attempt = Attempt.objects.filter(id=attempt_id, pool_id=pool_id).select_related("run").first()
    if attempt is None:
        raise AttemptMissing
    return attempt


def _keep(attempt: Attempt, *, sha256: str, size_bytes: int, now: datetime) -> None:
    """Hold an object for the run and note that the attempt has it; a closed run holds nothing any more."""
    with transaction.atomic():
        run = attempt.run
        if type(run).objects.select_for_update().get(id=run.id).kept_at is not None:
            return
        hold(organisation_id=run.organisation_id, sha256s=[sha256], holder=run.id, until=None, now=now)
        _enter(attempt, sha256=sha256, size_bytes=size_bytes, kept=True)


def _enter(attempt: Attempt, *, sha256: str, size_bytes: int, kept: bool) -> None:
    row = AttemptObject(id=new_id("out"), attempt=attempt, sha256=sha256, size_bytes=size_bytes, kept=kept)
    AttemptObject.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["attempt", "sha256"],
        update_fields=["size_bytes", "kept"],
    )
