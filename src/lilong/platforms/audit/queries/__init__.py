"""Reads of audit packs."""

from dataclasses import dataclass
from datetime import date, datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import Conflict, NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import load_sentence, say
from lilong.foundation.objects.public import ObjectReader, open_object
from lilong.platforms.audit.core.packs import PackState
from lilong.platforms.audit.models import AuditPack


class PackMissing(NotFound):
    """There is no such pack that the actor may see."""

    code = "audit.pack_missing"
    title = "There is no such audit pack"


class PackNotReady(Conflict):
    """The pack is still being made, or was kept for long enough."""

    code = "audit.pack_not_ready"
    title = "This audit pack is not there to be downloaded"
    next_step = "Wait until it is ready; one that was kept for a year can be asked for again."
    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PackView:
    """A pack as it stands; see the model. is_kept: whether it can be downloaded."""

    id: str
    begins_on: date
    ends_on: date
    requested_by: str
    requested_at: datetime
    state: PackState
    problem: str
    sha256: str
    size_bytes: int
    ready_at: datetime | None
    expires_at: datetime | None
    is_kept: bool


def get_pack(*, actor: Actor, pack_id: str, now: datetime) -> PackView:
    """Return a pack; for operators. Raises NotAllowed, PackMissing. One query."""
    return view_pack(row=_get(actor, pack_id), now=now)


def list_packs(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[PackView]:
    """Return one page of the packs, newest first; for operators. Raises NotAllowed. One query."""
    _require_operator(actor)
    page = page_newest_first(AuditPack.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=[view_pack(row=row, now=now) for row in page.items], next_cursor=page.next_cursor)


def open_pack(*, actor: Actor, pack_id: str, now: datetime) -> ObjectReader:
    """Open a pack for streaming; for operators. Raises NotAllowed, PackMissing, PackNotReady."""
    row = _get(actor, pack_id)
    if not view_pack(row=row, now=now).is_kept:
        raise PackNotReady(detail=say("It is {state}.", state=row.state))
    return open_object(organisation_id=row.organisation_id, sha256=row.sha256)


def view_pack(*, row: AuditPack, now: datetime) -> PackView:
    """Return a row as others see it."""
    return PackView(
        id=row.id,
        begins_on=row.begins_on,
        ends_on=row.ends_on,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        state=PackState(row.state),
        problem=load_sentence(row.problem, row.said),
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        ready_at=row.ready_at,
        expires_at=row.expires_at,
        is_kept=row.expires_at is not None and now < row.expires_at,
    )


def _get(actor: Actor, pack_id: str) -> AuditPack:
    _require_operator(actor)
    row = AuditPack.objects.visible_to(actor).filter(pk=pack_id).first()
    if row is None:
        raise PackMissing(detail=say("There is no audit pack {pack_id}.", pack_id=pack_id[:64]))
    return row


def _require_operator(actor: Actor) -> None:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
