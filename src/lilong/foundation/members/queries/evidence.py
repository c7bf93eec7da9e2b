"""Reads of the evidence wallet: what documents an organisation has, and how good each is."""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.evidence import (
    EXPIRING_WITHIN_DAYS,
    EvidenceKind,
    EvidenceKinds,
    EvidenceState,
    find_evidence_state,
)
from lilong.foundation.members.models import Evidence, EvidenceUse

KINDS_FILE = "evidence-kinds-1.toml"


class EvidenceMissing(NotFound):
    """The organisation has no such document in its wallet."""

    code = "evidence.missing"
    title = "There is no such document"
    next_step = "List the documents of the organisation: `lilong evidence list`."


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """A document as it stands; elsewhere it is named by `id` and `sha256`, so that nobody can put another in its place.

    verified_by, verification: which operator saw it, and what the operator said. expires_soon: within 30 days.
    """

    id: str
    organisation_id: str
    kind: str
    title: str
    sha256: str
    size_bytes: int
    issued_on: date
    expires_on: date | None
    state: EvidenceState
    given_at: datetime
    verified_at: datetime | None
    verified_by: str
    verification: str
    expires_soon: bool


@dataclass(frozen=True, slots=True)
class EvidenceUseView:
    """For what a document is shown: the id and kind of a case, for example, and since when."""

    subject_id: str
    what: str
    used_at: datetime


@lru_cache(maxsize=1)
def load_evidence_kinds() -> EvidenceKinds:
    """Return the published list of kinds."""
    content = tomllib.loads((files("lilong.foundation.members") / "rules" / KINDS_FILE).read_text(encoding="utf-8"))
    kinds = {
        code: EvidenceKind(code=code, name_en=kind["en"], name_zh=kind["zh"], expires=kind["expires"])
        for code, kind in content["kinds"].items()
    }
    return EvidenceKinds(version=content["version"], kinds=kinds)


def list_evidence(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[EvidenceView]:
    """Return the documents of the actor's own organisation, newest first; withdrawn ones, too. One query."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    page = page_newest_first(Evidence.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=[view_evidence(row=row, now=now) for row in page.items], next_cursor=page.next_cursor)


def list_wallet(*, actor: Actor, now: datetime) -> list[EvidenceView]:
    """Return the documents of the actor's own organisation that are not withdrawn, by kind, newest first. One query."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = Evidence.objects.visible_to(actor).filter(withdrawn_at=None)
    order = {code: number for number, code in enumerate(load_evidence_kinds().kinds)}
    return [
        view_evidence(row=row, now=now)
        for row in sorted(rows.order_by("-id"), key=lambda row: order.get(row.kind, len(order)))
    ]


def list_uses(*, actor: Actor, evidence_ids: Collection[str]) -> dict[str, list[EvidenceUseView]]:
    """Return for what each of one's own documents is shown, newest first. One query."""
    own = Evidence.objects.visible_to(actor).filter(id__in=evidence_ids)
    found: dict[str, list[EvidenceUseView]] = {evidence_id: [] for evidence_id in evidence_ids}
    for row in EvidenceUse.objects.filter(evidence__in=own).order_by("-id"):
        found[row.evidence_id].append(EvidenceUseView(subject_id=row.subject_id, what=row.what, used_at=row.used_at))
    return found


def list_used_evidence(*, subject_id: str, now: datetime) -> list[EvidenceView]:
    """Return the documents that are shown for something, oldest first, withdrawn ones too: who may look, rooms say.

    One query.
    """
    rows = EvidenceUse.objects.filter(subject_id=subject_id).select_related("evidence").order_by("id")
    return [view_evidence(row=row.evidence, now=now) for row in rows]


def get_evidence(*, actor: Actor, evidence_id: str, now: datetime) -> EvidenceView:
    """Return a document of the actor's own organisation; raises EvidenceMissing."""
    row = Evidence.objects.visible_to(actor).filter(id=evidence_id).first()
    if row is None:
        raise EvidenceMissing(detail=say("There is no document {evidence_id}.", evidence_id=evidence_id[:64]))
    return view_evidence(row=row, now=now)


def list_evidence_of(*, organisation_id: str, now: datetime) -> list[EvidenceView]:
    """Return the documents that an organisation shows, newest first, without withdrawn ones.

    For rooms that decide something about the organisation: who may look is theirs to say.
    """
    rows = Evidence.objects.filter(organisation_id=organisation_id, withdrawn_at=None).order_by("-id")
    return [view_evidence(row=row, now=now) for row in rows]


def get_many_evidence(*, evidence_ids: Collection[str], now: datetime) -> dict[str, EvidenceView]:
    """Return those documents that exist, by id, withdrawn ones too; for rooms that named them. One query.

    Whoever named one keeps its `sha256` and compares.
    """
    return {row.id: view_evidence(row=row, now=now) for row in Evidence.objects.filter(id__in=evidence_ids)}


def list_expiring(*, within_days: int, now: datetime) -> list[EvidenceView]:
    """Return the documents of all organisations that expire within so many days from today, soonest first.

    For whoever reminds people of them. One query.
    """
    today = now.date()
    rows = Evidence.objects.filter(
        withdrawn_at=None, expires_on__gt=today, expires_on__lte=today + timedelta(days=within_days)
    )
    return [view_evidence(row=row, now=now) for row in rows.order_by("expires_on", "id")]


def list_own_expiring(*, actor: Actor, within_days: int, now: datetime) -> list[EvidenceView]:
    """Return those of the actor's own organisation, as `list_expiring` does."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    today = now.date()
    rows = Evidence.objects.visible_to(actor).filter(
        withdrawn_at=None, expires_on__gt=today, expires_on__lte=today + timedelta(days=within_days)
    )
    return [view_evidence(row=row, now=now) for row in rows.order_by("expires_on", "id")]


def view_evidence(*, row: Evidence, now: datetime) -> EvidenceView:
    """Return the row as others see it."""
    return EvidenceView(
        id=row.id,
        organisation_id=row.organisation_id,
        kind=row.kind,
        title=row.title,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        issued_on=row.issued_on,
        expires_on=row.expires_on,
        state=find_evidence_state(
            is_withdrawn=row.withdrawn_at is not None,
            is_verified=row.verified_at is not None,
            expires_on=row.expires_on,
            day=now.date(),
        ),
        expires_soon=row.expires_on is not None and 0 < (row.expires_on - now.date()).days <= EXPIRING_WITHIN_DAYS,
        given_at=row.given_at,
        verified_at=row.verified_at,
        verified_by=row.verified_by,
        verification=row.verification,
    )
