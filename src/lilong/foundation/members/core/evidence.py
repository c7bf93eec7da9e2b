"""Which documents an organisation can show, and where one stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from lilong.common.sentences import say

EXPIRING_WITHIN_DAYS = 30
HEAD_BYTES = 8
"""How many bytes of a document tell its type."""


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A type of file that a document may have, known by how its bytes begin."""

    extension: str
    media_type: str
    beginning: bytes


DOCUMENT_TYPES = (
    DocumentType("pdf", "application/pdf", b"%PDF-"),
    DocumentType("png", "image/png", b"\x89PNG\r\n\x1a\n"),
    DocumentType("jpg", "image/jpeg", b"\xff\xd8\xff"),
)


class EvidenceState(StrEnum):
    """Where a document stands; withdrawn is for good."""

    GIVEN = "given"
    VERIFIED = "verified"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class EvidenceKind:
    """A kind of document: its code, names in English and Chinese, and whether it has to say when it expires."""

    code: str
    name_en: str
    name_zh: str
    expires: bool


@dataclass(frozen=True, slots=True)
class EvidenceKinds:
    """The published list of kinds, by code, with its version."""

    version: str
    kinds: Mapping[str, EvidenceKind]


def find_document_type(*, head: bytes) -> DocumentType | None:
    """Return what type of document begins with these HEAD_BYTES, whatever its name says; None: none that is taken.

    >>> find_document_type(head=b"%PDF-1.7").extension
    'pdf'
    """
    return next((each for each in DOCUMENT_TYPES if head.startswith(each.beginning)), None)


def find_evidence_state(*, is_withdrawn: bool, is_verified: bool, expires_on: date | None, day: date) -> EvidenceState:
    """Return where a document stands on this day; it is good until the day before `expires_on`.

    >>> find_evidence_state(is_withdrawn=False, is_verified=True, expires_on=date(2026, 3, 1), day=date(2026, 3, 1))
    <EvidenceState.EXPIRED: 'expired'>
    """
    if is_withdrawn:
        return EvidenceState.WITHDRAWN
    if expires_on is not None and expires_on <= day:
        return EvidenceState.EXPIRED
    return EvidenceState.VERIFIED if is_verified else EvidenceState.GIVEN


def find_day_problems(*, kind: EvidenceKind, issued_on: date, expires_on: date | None, day: date) -> dict[str, str]:
    """Return what is wrong with the days of a document given on `day`, by field.

    >>> kind = EvidenceKind("insurance", "Insurance", "保险", expires=True)
    >>> find_day_problems(kind=kind, issued_on=date(2026, 1, 1), expires_on=None, day=date(2026, 3, 1))
    {'expires_on': 'A document of this kind expires: say when.'}
    """
    problems: dict[str, str] = {}
    # A day of grace: where the document comes from it may be tomorrow already.
    if issued_on > day + timedelta(days=1):
        problems["issued_on"] = say("It must not be later than today.")
    if expires_on is None and kind.expires:
        problems["expires_on"] = say("A document of this kind expires: say when.")
    if expires_on is not None and expires_on <= max(issued_on, day):
        problems["expires_on"] = say("It must be later than today and than the day of issue.")
    return problems
