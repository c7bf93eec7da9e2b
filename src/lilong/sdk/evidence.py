"""The documents that an organisation shows wherever one is asked for."""

from collections.abc import Iterator
from datetime import date, datetime

from lilong.sdk.noun import Answer, Noun, address


class EvidenceKind(Answer):
    """A kind of document; `expires` says that its day of expiry has to be named."""

    code: str
    name_en: str
    name_zh: str
    expires: bool


class Document(Answer):
    """A document in the wallet; state: given, verified, expired or withdrawn. Its bytes are the object `sha256`."""

    id: str
    kind: str
    title: str
    sha256: str
    size_bytes: int
    issued_on: date
    expires_on: date | None = None
    state: str
    given_at: datetime
    verified_at: datetime | None = None
    verified_by: str = ""
    verification: str = ""


class _Kinds(Answer):
    items: tuple[EvidenceKind, ...]


class _Documents(Answer):
    items: tuple[Document, ...]


class Evidence(Noun):
    """Give, list and withdraw documents."""

    def list_kinds(self) -> tuple[EvidenceKind, ...]:
        """Return the published list of kinds."""
        return self._get(_Kinds, address("evidence-kinds")).items

    def give(self, *, kind: str, title: str, sha256: str, issued_on: date, expires_on: date | None = None) -> Document:
        """Put an object that was uploaded into one's own organisation's wallet."""
        body = {"kind": kind, "title": title, "sha256": sha256, "issued_on": str(issued_on)}
        return self._post(
            Document, address("evidence"), json=body | ({"expires_on": str(expires_on)} if expires_on else {})
        )

    def list(self) -> Iterator[Document]:
        """Yield the documents of one's own organisation, newest first; withdrawn ones, too."""
        return self._list(Document, address("evidence"))

    def list_expiring(self, *, within_days: int = 30) -> tuple[Document, ...]:
        """Return those that expire within so many days, soonest first."""
        return self._get(_Documents, address("evidence", "expiring"), params={"within_days": within_days}).items

    def get(self, evidence_id: str) -> Document:
        """Return one document."""
        return self._get(Document, address("evidence", evidence_id))

    def withdraw(self, evidence_id: str) -> None:
        """Take a document back; what was decided with it stays decided."""
        self._do("DELETE", address("evidence", evidence_id))

    def list_of_case(self, case_id: str) -> tuple[Document, ...]:
        """Return the documents of the organisation that an open case is about; for who decides it."""
        return self._get(_Documents, address("cases", case_id, "evidence")).items

    def read_of_case(self, case_id: str, evidence_id: str) -> Iterator[bytes]:
        """Yield the bytes of such a document as they come; the record says who read it."""
        with self._transport.stream(address("cases", case_id, "evidence", evidence_id, "content")) as response:
            yield from response.iter_bytes()

    def verify(self, case_id: str, evidence_id: str, *, reason: str) -> Document:
        """Note in the record that such a document is good, and how that was found out."""
        path = address("cases", case_id, "evidence", evidence_id, "verify")
        return self._post(Document, path, json={"reason": reason})
