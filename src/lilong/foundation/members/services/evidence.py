"""The evidence wallet: a document is given once and shown wherever one is asked for."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO

from django.db import transaction

from lilong.common.errors import Conflict, FieldProblem, InputInvalid, LimitReached
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.evidence import (
    HEAD_BYTES,
    DocumentType,
    EvidenceState,
    find_day_problems,
    find_document_type,
)
from lilong.foundation.members.models import Evidence, EvidenceUse
from lilong.foundation.members.queries.evidence import (
    EvidenceMissing,
    EvidenceView,
    load_evidence_kinds,
    view_evidence,
)
from lilong.foundation.members.services.memberships import lock_own_organisation
from lilong.foundation.objects.public import (
    ObjectReader,
    append_upload,
    begin_upload,
    drop_hold,
    find_many,
    hold,
    open_object,
)
from lilong.foundation.record.public import append

EVIDENCE_MAX = 200
DOCUMENT_BYTES_MAX = 50 * 1024**2
CHUNK_BYTES = 256 * 1024
WRONG_TYPE = say("It must be a PDF, PNG or JPEG file.")
KEEPERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.BILLING})


class EvidenceInvalid(InputInvalid):
    """The kind, a day or the file of a document does not fit."""

    code = "evidence.invalid"
    title = "This document cannot be taken"
    next_step = "Correct the fields named here; the file has to be uploaded first."


class EvidenceFull(LimitReached):
    """The wallet holds as many documents as one may."""

    code = "evidence.too_many"
    title = "Your evidence wallet is full"
    next_step = "Withdraw documents that you no longer need."


class EvidenceOver(Conflict):
    """The document was withdrawn or has expired."""

    code = "evidence.over"
    title = "This document is no longer good"
    next_step = "Ask the organisation for a new one."


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document that is being read, and as which file a browser saves it."""

    reader: ObjectReader
    filename: str
    media_type: str


def upload_document(*, actor: Actor, file: BinaryIO, sha256: str, size_bytes: int, now: datetime) -> None:
    """Bring the bytes of a document into the objects of the actor's organisation, piece by piece.

    What came in an earlier try is not read again. Raises what uploads raise, such as QuotaReached.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.MANAGE))
    upload = begin_upload(organisation_id=actor.organisation_id, sha256=sha256, size_bytes=size_bytes, now=now)
    if not upload.complete:
        file.seek(upload.offset)
        append_upload(upload_id=upload.upload_id, offset=upload.offset, chunks=_read(file), now=now)


def give_evidence(
    *,
    actor: Actor,
    kind: str,
    title: str,
    sha256: str,
    issued_on: date,
    expires_on: date | None,
    now: datetime,
    replaces: str = "",
) -> EvidenceView:
    """Put a document of the actor's organisation into its wallet; its bytes are an object that it uploaded.

    The same file as the same kind again, while the first is good, returns the first. replaces: the id of a document
    that is withdrawn in the same step. Raises EvidenceInvalid, EvidenceFull, EvidenceMissing.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.MANAGE))
    document_type = _find_type(actor.organisation_id, sha256)  # bytes are never awaited inside the transaction
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        held = find_many(organisation_id=organisation.id, sha256s=[sha256]).get(sha256)
        problems = _find_problems(kind, issued_on=issued_on, expires_on=expires_on, day=now.date())
        if held is None:
            problems["sha256"] = say("Your organisation has no object with this digest here. Upload it first.")
        elif held.size_bytes > DOCUMENT_BYTES_MAX:
            problems["sha256"] = say("A document has at most {most} bytes.", most=DOCUMENT_BYTES_MAX)
        elif document_type is None:
            problems["sha256"] = WRONG_TYPE
        if problems or held is None:
            raise EvidenceInvalid(
                fields=[FieldProblem(path=path, code="evidence.field", message=text) for path, text in problems.items()]
            )
        own = Evidence.objects.filter(organisation=organisation, withdrawn_at=None)
        same = own.filter(kind=kind, sha256=sha256, issued_on=issued_on, expires_on=expires_on).first()
        old = _find_own(actor, replaces) if replaces else None
        if same is not None:
            if old is not None and old.id != same.id:
                _withdraw(old, by=actor.person_id, reason=f"Replaced by {same.id}.", now=now)
            return view_evidence(row=same, now=now)
        used = own.count() - (1 if old is not None and old.withdrawn_at is None else 0)
        if used >= EVIDENCE_MAX:
            raise EvidenceFull(facts={"limit": EVIDENCE_MAX, "used": used})
        row = Evidence.objects.create(
            id=new_id("evd"),
            organisation=organisation,
            kind=kind,
            title=title,
            sha256=sha256,
            size_bytes=held.size_bytes,
            issued_on=issued_on,
            expires_on=expires_on,
            given_by=actor.person_id,
            given_at=now,
        )
        hold(organisation_id=organisation.id, sha256s=[sha256], holder=row.id, until=None, now=now)
        _record(row, deed="given", by=actor.person_id, reason=f"Replaces {old.id}." if old else "", now=now)
        if old is not None:
            _withdraw(old, by=actor.person_id, reason=f"Replaced by {row.id}.", now=now)
    return view_evidence(row=row, now=now)


def withdraw_evidence(*, actor: Actor, evidence_id: str, now: datetime) -> None:
    """Take a document of one's own back; its bytes are no longer held. Doing it again does nothing.

    What was decided with it stays decided: the record has the digest. Raises EvidenceMissing.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.MANAGE))
    with transaction.atomic():
        _withdraw(_find_own(actor, evidence_id), by=actor.person_id, reason="", now=now)


def open_own_evidence(*, actor: Actor, evidence_id: str) -> OpenedDocument:
    """Open a document of the actor's own organisation; raises EvidenceMissing, EvidenceOver for a withdrawn one."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    row = Evidence.objects.visible_to(actor).filter(id=evidence_id).first()
    if row is None:
        raise EvidenceMissing(detail=say("There is no document {evidence_id}.", evidence_id=evidence_id[:64]))
    if row.withdrawn_at is not None:
        raise EvidenceOver(detail=say("It is {state}.", state=EvidenceState.WITHDRAWN))
    return _open(row)


def use_evidence(
    *, organisation_id: str, evidence_ids: Collection[str], subject_id: str, what: str, by: str, now: datetime
) -> None:
    """Note for what an organisation shows these documents of its wallet, in the caller's transaction. Again: nothing.

    For rooms that ask for documents. subject_id: such as a case; what: its kind. Raises EvidenceMissing, EvidenceOver.
    """
    wanted = sorted(set(evidence_ids))
    rows = Evidence.objects.filter(organisation_id=organisation_id, id__in=wanted)
    found = {row.id: row for row in rows}
    missing = [evidence_id for evidence_id in wanted if evidence_id not in found]
    if missing:
        raise EvidenceMissing(detail=say("There is no document {evidence_id}.", evidence_id=missing[0][:64]))
    for row in found.values():
        state = view_evidence(row=row, now=now).state
        if state in {EvidenceState.WITHDRAWN, EvidenceState.EXPIRED}:
            raise EvidenceOver(detail=say("{title} is {state}.", title=row.title, state=state))
        EvidenceUse.objects.get_or_create(
            evidence=row,
            subject_id=subject_id,
            defaults={"id": new_id("evu"), "what": what, "used_by": by, "used_at": now},
        )


def verify_evidence(
    *, actor: Actor, organisation_id: str, evidence_id: str, reason: str, now: datetime
) -> EvidenceView:
    """Note that an operator has seen that a document is good, and how. The first verification stays.

    For rooms in which the actor decides something about the organisation: they ask whether the actor may.
    Raises EvidenceMissing, EvidenceOver, NotAllowed.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        found = Evidence.objects.select_for_update().filter(id=evidence_id, organisation_id=organisation_id)
        row = found.first()
        if row is None:
            raise EvidenceMissing(detail=say("There is no document {evidence_id}.", evidence_id=evidence_id[:64]))
        state = view_evidence(row=row, now=now).state
        if state in {EvidenceState.WITHDRAWN, EvidenceState.EXPIRED}:
            raise EvidenceOver(detail=say("It is {state}.", state=state))
        if row.verified_at is None:
            row.verified_at, row.verified_by, row.verification = now, actor.person_id, reason
            row.save(update_fields=["verified_at", "verified_by", "verification"])
            _record(row, deed="verified", by=actor.person_id, reason=reason, now=now)
    return view_evidence(row=row, now=now)


def open_evidence(*, actor: Actor, organisation_id: str, evidence_id: str, why: str, now: datetime) -> OpenedDocument:
    """Open the bytes of a document that an organisation shows; who opened it, and why, is recorded.

    For rooms in which the actor decides something about the organisation: they ask whether the actor may.
    Raises EvidenceMissing, NotAllowed.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        rows = Evidence.objects.filter(organisation_id=organisation_id, withdrawn_at=None)
        row = rows.filter(id=evidence_id).first()
        if row is None:
            raise EvidenceMissing(detail=say("There is no document {evidence_id}.", evidence_id=evidence_id[:64]))
        _record(row, deed="opened", by=actor.person_id, reason=why, now=now)
    return _open(row)


def _read(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _find_type(organisation_id: str, sha256: str) -> DocumentType | None:
    if sha256 not in find_many(organisation_id=organisation_id, sha256s=[sha256]):
        return None
    head = b"".join(open_object(organisation_id=organisation_id, sha256=sha256, end=HEAD_BYTES).chunks)
    return find_document_type(head=head)


def _open(row: Evidence) -> OpenedDocument:
    """Open it as what it is; documents of before types were asked for are only bytes."""
    found = _find_type(row.organisation_id, row.sha256)
    return OpenedDocument(
        reader=open_object(organisation_id=row.organisation_id, sha256=row.sha256),
        filename=f"{row.title}.{found.extension}" if found else row.title,
        media_type=found.media_type if found else "application/octet-stream",
    )


def _find_own(actor: Actor, evidence_id: str) -> Evidence:
    row = Evidence.objects.visible_to(actor).select_for_update().filter(id=evidence_id).first()
    if row is None:
        raise EvidenceMissing(detail=say("There is no document {evidence_id}.", evidence_id=evidence_id[:64]))
    return row


def _withdraw(row: Evidence, *, by: str, reason: str, now: datetime) -> None:
    if row.withdrawn_at is not None:
        return
    row.withdrawn_at = now
    row.save(update_fields=["withdrawn_at"])
    drop_hold(holder=row.id)
    _record(row, deed="withdrawn", by=by, reason=reason, now=now)


def _find_problems(kind: str, *, issued_on: date, expires_on: date | None, day: date) -> dict[str, str]:
    known = load_evidence_kinds().kinds
    if kind not in known:
        return {"kind": say("It must be one of: {kinds}.", kinds=", ".join(sorted(known)))}
    return find_day_problems(kind=known[kind], issued_on=issued_on, expires_on=expires_on, day=day)


def _record(row: Evidence, *, deed: str, by: str, reason: str, now: datetime) -> None:
    append(
        kind="members.evidence_changed",
        subject_id=row.id,
        payload={"deed": deed, "kind": row.kind, "sha256": row.sha256, "by": by, "reason": reason},
        organisation_id=row.organisation_id,
        now=now,
    )
