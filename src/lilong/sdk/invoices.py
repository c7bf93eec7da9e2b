"""Invoices: what was charged in closed months, on paper."""

from collections.abc import Iterator
from datetime import date, datetime

from lilong.sdk.noun import Answer, Noun, address


class Invoice(Answer):
    """An invoice or credit note; total_minor in the currency's minor unit, with so many decimals."""

    id: str
    number: str
    kind: str
    organisation_id: str
    month: date
    about_month: date
    currency: str
    decimals: int
    total_minor: int
    total_uc: int
    issued_at: datetime
    sha256: str
    record_entry_id: str


class RefusedIssue(Answer):
    """An organisation whose papers were not issued, and why."""

    organisation_id: str
    code: str
    detail: str
    next_step: str


class MonthIssued(Answer):
    """What one call issued; next_after: where the next goes on, empty when the month is done."""

    issued: tuple[str, ...]
    refused: tuple[RefusedIssue, ...]
    next_after: str


class Invoices(Noun):
    """The organisation's invoices; operators see and issue those of all."""

    def list(self) -> Iterator[Invoice]:
        """Yield invoices and credit notes, newest first."""
        return self._list(Invoice, address("invoices"))

    def download_pdf(self, invoice_id: str, *, language: str = "en") -> bytes:
        """Return an invoice as PDF, in `en` or `zh-hans`."""
        path = address("invoices", invoice_id, "pdf")
        return self._transport.request("GET", path, params={"language": language}).content

    def download_document(self, invoice_id: str) -> bytes:
        """Return the document of an invoice, whose SHA-256 the record holds."""
        return self._transport.request("GET", address("invoices", invoice_id, "document")).content

    def issue(self, *, month: str) -> Iterator[MonthIssued]:
        """Issue what is missing of a closed month such as `2026-10`; yield each part. For operators; idempotent."""
        body: dict[str, object] = {"month": month}
        while True:
            part = self._post(MonthIssued, address("invoices"), json=body)
            yield part
            if not part.next_after:
                return
            body["after"] = part.next_after
