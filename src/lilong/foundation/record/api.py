"""The record over HTTP: heads, keys, feed and proofs for everybody; entries and bundles for those they concern."""

import json
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from lilong.common.canonical import Json
from lilong.common.django.fields import RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, allow_public, get_actor
from lilong.common.paging import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from lilong.common.permissions import Role, Scope
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.record.public import end_restore, get_bundle, get_key_ring, rotate_key
from lilong.foundation.record.queries.entries import get_entry, list_feed
from lilong.foundation.record.queries.heads import PublishedHead, get_published_head
from lilong.foundation.record.queries.status import get_status
from lilong.foundation.record.queries.trees import PlaceInvalid, prove_consistency, prove_inclusion
from lilong.foundation.record.services.entries import erase_payload
from lilong.protocol.checkpoint import encode_base64

router = Router(tags=["record"])

SUBJECTS_MAX = 20
LEAVES_MAX = 2**47
READERS = allow(ALL_ROLES, Scope.READ)
OPERATORS = allow({Role.OPERATOR}, Scope.OPERATE)

LogNumber = Annotated[
    int | None, Query(ge=1, le=32_767, description="A log before a restore; the open one if left out.")
]
Place = Annotated[int, Query(ge=0, le=LEAVES_MAX)]
EntryId = Annotated[str, Path(pattern="^rec_[0-9a-f]{32}$")]
SubjectIds = Annotated[
    list[Annotated[str, Field(pattern="^[!-~]{1,64}$")]],
    Query(alias="subject_id", min_length=1, max_length=SUBJECTS_MAX),
]


class HeadOut(Schema):
    """The newest head that enough witnesses cosigned. note: a C2SP signed note."""

    origin: str
    size: int
    note: str
    signed_at: datetime


class KeyRingOut(Schema):
    """What a keys file holds."""

    logs: list[str]
    required: int
    witnesses: list[str]


class KeysOut(Schema):
    """Keys of hub and witnesses. Compare the fingerprints over another road before trusting them."""

    key_ring: KeyRingOut
    fingerprints: dict[str, str]


class FeedItemOut(Schema):
    """What everybody sees of an entry; hash: of its leaf, in base64."""

    index: int
    type: str
    hash: str


class FeedOut(Schema):
    """A page of entries under the published head; next_start: of the next page."""

    items: list[FeedItemOut]
    next_start: int | None


class ProofOut(Schema):
    """Hashes of a proof of RFC 9162, in base64."""

    proof: list[str]


class LeafOut(Schema):
    """A leaf of the tree, member by member."""

    commitment: str
    subject: str
    time: str
    type: str


class EntryOut(Schema):
    """An entry with what it says. payload: null once erased; index: null until sealed."""

    id: str
    origin: str
    index: int | None
    leaf: LeafOut
    payload: dict[str, Any] | None


class ProvenOut(Schema):
    """An opened entry with its proof."""

    index: int
    key: str
    leaf: LeafOut
    payload: dict[str, Any]
    proof: list[str]


class BundleOut(Schema):
    """What `tools/verify_record.py` checks, once it is written as canonical JSON."""

    consistency: list[str]
    earlier: str
    entries: list[ProvenOut]
    head: str


class WitnessOut(Schema):
    """What was last heard of a witness."""

    name: str
    checked_at: datetime | None
    problem: str


class StatusOut(Schema):
    """Where the record stands. waiting: entries without a place yet."""

    origin: str
    size: int
    published_size: int
    waiting: int
    restoring: bool
    witnesses: list[WitnessOut]


class KeyOut(Schema):
    """A new key of the log, to be given to the witnesses."""

    key: str
    fingerprint: str


class EndRestoreIn(RequestBody):
    """How the statements were matched."""

    reason: str = Field(min_length=10, max_length=1_000)


@router.get("/record/head", openapi_extra=allow_public(), auth=None, response={200: HeadOut, **PROBLEMS})
def read_head(request: HttpRequest, log: LogNumber = None) -> HeadOut:
    """Show the newest published head."""
    head = get_published_head(number=log)
    return HeadOut(origin=head.log.origin, size=head.size, note=head.note, signed_at=head.signed_at)


@router.get("/record/keys", openapi_extra=allow_public(), auth=None, response={200: KeysOut, **PROBLEMS})
def read_keys(request: HttpRequest) -> KeysOut:
    """Show whose signatures heads bear."""
    ring = get_key_ring()
    logs, witnesses = [key.text for key in ring.logs], [key.text for key in ring.witnesses]
    return KeysOut(
        key_ring=KeyRingOut(logs=logs, required=ring.required, witnesses=witnesses),
        fingerprints={key.text: key.fingerprint for key in (*ring.logs, *ring.witnesses)},
    )


@router.get("/record/entries", openapi_extra=allow_public(), auth=None, response={200: FeedOut, **PROBLEMS})
def read_feed(
    request: HttpRequest,
    start: Annotated[int, Query(ge=0, le=LEAVES_MAX)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)] = PAGE_LIMIT_DEFAULT,
    log: LogNumber = None,
) -> FeedOut:
    """List type and hash of the entries under the published head."""
    head = get_published_head(number=log)
    found = list_feed(log=head.log, size=head.size, start=start, limit=limit)
    items = [FeedItemOut(index=item.index, type=item.kind, hash=encode_base64(item.hash)) for item in found]
    following = start + len(items)
    return FeedOut(items=items, next_start=following if items and following < head.size else None)


@router.get("/record/proofs/inclusion", openapi_extra=allow_public(), auth=None, response={200: ProofOut, **PROBLEMS})
def read_inclusion(request: HttpRequest, index: Place, size: Place, log: LogNumber = None) -> ProofOut:
    """Prove that the leaf at `index` is under the head of `size` leaves."""
    head = _require_published(log, size)
    return _proof(prove_inclusion(log=head.log, index=index, size=size))


@router.get("/record/proofs/consistency", openapi_extra=allow_public(), auth=None, response={200: ProofOut, **PROBLEMS})
def read_consistency(request: HttpRequest, old_size: Place, new_size: Place, log: LogNumber = None) -> ProofOut:
    """Prove that the head of `new_size` leaves continues that of `old_size`."""
    head = _require_published(log, new_size)
    return _proof(prove_consistency(log=head.log, old_size=old_size, new_size=new_size))


@router.get("/record/entries/{entry_id}", openapi_extra=READERS, response={200: EntryOut, **PROBLEMS})
def read_entry(request: HttpRequest, entry_id: EntryId) -> EntryOut:
    """Show an entry of the caller's organisation with what it says."""
    entry = get_entry(entry_id=entry_id, actor=get_actor(request))
    return EntryOut(
        id=entry.id,
        origin=entry.origin,
        index=entry.index,
        leaf=LeafOut.model_validate(entry.leaf.fields),
        payload=None if entry.payload is None else json.loads(entry.payload),
    )


@router.get("/record/bundle", openapi_extra=READERS, response={200: BundleOut, **PROBLEMS})
def read_bundle(request: HttpRequest, subject_ids: SubjectIds) -> dict[str, Json]:
    """Return what proves the caller's entries about these subjects to an outsider."""
    return get_bundle(subject_ids=subject_ids, actor=get_actor(request))


@router.get("/record/status", openapi_extra=OPERATORS, response={200: StatusOut, **PROBLEMS})
def read_status(request: HttpRequest) -> StatusOut:
    """Show where the record stands, and which witness does not answer."""
    status = get_status(actor=get_actor(request), now=utc_now())
    return StatusOut(
        origin=status.origin,
        size=status.size,
        published_size=status.published_size,
        waiting=status.waiting,
        restoring=status.restoring,
        witnesses=[
            WitnessOut(name=witness.name, checked_at=witness.checked_at, problem=witness.problem)
            for witness in status.witnesses
        ],
    )


@router.delete("/record/entries/{entry_id}/payload", openapi_extra=OPERATORS, response={204: None, **PROBLEMS})
def delete_payload(request: HttpRequest, entry_id: EntryId) -> Status[None]:
    """Erase what an entry says; every proof stays valid."""
    erase_payload(entry_id=entry_id, actor=get_actor(request), now=utc_now())
    return Status(204, None)


@router.post("/record/keys/rotate", openapi_extra=OPERATORS, response={201: KeyOut, **PROBLEMS})
def post_rotation(request: HttpRequest) -> Status[KeyOut]:
    """Make a new signing key; the old one signs beside it for seven days."""
    key = rotate_key(actor=get_actor(request), now=utc_now())
    return Status(201, KeyOut(key=key.text, fingerprint=key.fingerprint))


@router.post("/record/restore/end", openapi_extra=OPERATORS, response={204: None, **PROBLEMS})
def post_end_of_restore(request: HttpRequest, asked: EndRestoreIn) -> Status[None]:
    """Let money be paid out again after a restore, once the statements are matched."""
    end_restore(actor=get_actor(request), reason=asked.reason, now=utc_now())
    return Status(204, None)


def _require_published(number: int | None, size: int) -> PublishedHead:
    head = get_published_head(number=number)
    if size > head.size:
        raise PlaceInvalid(detail=say("The published log has {size} leaves.", size=head.size))
    return head


def _proof(nodes: tuple[bytes, ...]) -> ProofOut:
    return ProofOut(proof=[encode_base64(node) for node in nodes])
